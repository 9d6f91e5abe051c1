#include <boost/json.hpp>

#include "api/cinder/cinder_api.h"
#include "api/cinder/filters.h"
#include "api/cinder/metadata_calls.h"
#include "api/common/body.h"
#include "api/common/paging.h"
#include "api/common/resource_views.h"
#include "api/common/snapshot_bodies.h"

namespace varve::api::cinder {

using http::Verb;
using model::Snapshot;

namespace {

constexpr FilterSpec kFilters[] = {
    {"name", "name"},
    {"display_name", "name"},
    {"description", "description"},
    {"status", "status"},
    {"id", "id"},
    {"volume_id", "volume_id"},
    {"user_id", "user_id"},
    {"group_snapshot_id", "group_snapshot_id"},
    {"metadata", "metadata", FilterSpec::Kind::Metadata},
    {"created_at", "created_at", FilterSpec::Kind::Time},
    {"updated_at", "updated_at", FilterSpec::Kind::Time},
    {"consumes_quota", "", FilterSpec::Kind::Always},
};

constexpr SortSpec kSortKeys[] = {
    {"id", "id"},
    {"name", "name"},
    {"display_name", "name"},
    {"status", "status"},
    {"volume_id", "volume_id"},
    {"volume_size", "size_gib"},
    {"size", "size_gib"},
    {"created_at", "created_at"},
    {"updated_at", "updated_at"},
};

}  // namespace

std::span<const FilterSpec> snapshot_filters() {
  return kFilters;
}

void CinderApi::register_snapshots(Dispatcher& d) {
  route(d, Verb::post, "/snapshots", &CinderApi::create_snapshot);
  route(d, Verb::get, "/snapshots", &CinderApi::list_snapshots);
  route(d, Verb::get, "/snapshots/detail", &CinderApi::list_snapshots_detail);
  route(d, Verb::get, "/snapshots/{id}", &CinderApi::show_snapshot);
  route(d, Verb::put, "/snapshots/{id}", &CinderApi::update_snapshot);
  route(d, Verb::delete_, "/snapshots/{id}", &CinderApi::delete_snapshot);
  route(d, Verb::get, "/snapshots/{id}/usage", &CinderApi::snapshot_usage);
  route(d, Verb::post, "/snapshots/{id}/action", &CinderApi::snapshot_action);
  route(d, Verb::get, "/snapshots/{id}/metadata", &CinderApi::snapshot_metadata);
  route(d, Verb::post, "/snapshots/{id}/metadata", &CinderApi::set_snapshot_metadata);
  route(d, Verb::put, "/snapshots/{id}/metadata", &CinderApi::set_snapshot_metadata);
  route(d, Verb::get, "/snapshots/{id}/metadata/{key}", &CinderApi::snapshot_metadata_item);
  route(d, Verb::put, "/snapshots/{id}/metadata/{key}", &CinderApi::set_snapshot_metadata_item);
  route(d, Verb::delete_, "/snapshots/{id}/metadata/{key}", &CinderApi::delete_snapshot_metadata_item);
}

CinderApi::Reply CinderApi::create_snapshot(CallPtr call) {
  services::SnapshotSpec spec = read_snapshot_spec(*call);
  // Before 3.66 Cinder wants force for a volume in use; EVS and the open profile never do.
  bool as_cinder = s_.settings.profile == services::Profile::Cinder;
  if (as_cinder && !call->version.at_least(66)) spec.attached = spec.force;
  Snapshot made = co_await s_.snapshots.create(call->actor, std::move(spec));
  json::object view = snapshot_view(*call, made, SnapshotFields::Plain);
  co_return json_reply(202, json::object{{"snapshot", std::move(view)}});
}

CinderApi::Reply CinderApi::list_snapshots(CallPtr call) {
  return snapshot_page(std::move(call), false);
}
CinderApi::Reply CinderApi::list_snapshots_detail(CallPtr call) {
  return snapshot_page(std::move(call), true);
}

CinderApi::Reply CinderApi::snapshot_page(CallPtr call, bool detail) {
  model::PageQuery query = parse_page(*call, ListSpec{kFilters, kSortKeys});
  model::Page<Snapshot> page = co_await s_.snapshots.list(query);
  auto view = [&](const Snapshot& row) {
    return snapshot_view(*call, row, detail ? SnapshotFields::Extended : SnapshotFields::Listed);
  };
  co_return page_reply(*call, "snapshots", query, page, view);
}

CinderApi::Reply CinderApi::show_snapshot(CallPtr call) {
  Snapshot snapshot = co_await s_.snapshots.show(call->actor, SnapshotId(call->path.get("id")));
  json::object view = snapshot_view(*call, snapshot, SnapshotFields::Extended);
  co_return json_reply(200, json::object{{"snapshot", std::move(view)}});
}

// The seed: "Updating an EVS Snapshot". The reply has the two reserved fields, which the page lists.
CinderApi::Reply CinderApi::update_snapshot(CallPtr call) {
  services::SnapshotChange change = read_snapshot_change(*call);
  Snapshot snapshot = co_await s_.snapshots.update(call->actor, SnapshotId(call->path.get("id")), std::move(change));
  bool as_cinder = s_.settings.profile == services::Profile::Cinder;
  json::object view = snapshot_view(*call, snapshot, as_cinder ? SnapshotFields::Plain : SnapshotFields::Extended);
  co_return json_reply(200, json::object{{"snapshot", std::move(view)}});
}

CinderApi::Reply CinderApi::delete_snapshot(CallPtr call) {
  co_await s_.snapshots.remove(call->actor, SnapshotId(call->path.get("id")), false);
  co_return empty_reply(202);
}

CinderApi::Reply CinderApi::snapshot_usage(CallPtr call) {
  backends::Usage usage = co_await s_.snapshots.usage(call->actor, SnapshotId(call->path.get("id")));
  json::object view{{"allocated_bytes", usage.allocated}, {"exclusive_bytes", usage.exclusive}};
  co_return json_reply(200, json::object{{"usage", std::move(view)}});
}

CinderApi::Reply CinderApi::snapshot_action(CallPtr call) {
  json::object body = parse_body(*call->request);
  SnapshotId id(call->path.get("id"));
  std::string name = body.size() == 1 ? std::string(body.begin()->key()) : std::string();
  if (name == "os-reset_status") {
    call->require_admin();
    Fields fields(body.begin()->value(), name);
    std::string status = fields.required_text("status");
    fields.finish();
    co_await s_.snapshots.reset_status(call->actor, id, status);
  } else if (name == "os-update_snapshot_status") {
    Fields fields(body.begin()->value(), name);
    std::string status = fields.required_text("status");
    std::optional<std::string> progress = fields.text("progress");
    fields.finish();
    co_await s_.snapshots.report_status(call->actor, id, status, progress);
  } else if (name == "os-unmanage") {
    call->require_admin();
    co_await s_.managing.unmanage_snapshot(call->actor, id);
  } else if (name == "os-force_delete") {
    call->require_admin();
    co_await s_.snapshots.remove(call->actor, id, true);
  } else {
    throw Error(ErrorCode::InvalidInput, "There is no such action: " + name.substr(0, 100) +
                                             ". Verify the request body and Content-Type header and try again.");
  }
  co_return empty_reply(202);
}

CinderApi::Reply CinderApi::snapshot_metadata(CallPtr call) {
  Snapshot snapshot = co_await s_.snapshots.show(call->actor, SnapshotId(call->path.get("id")));
  co_return json_reply(200, json::object{{"metadata", metadata_view(snapshot.metadata)}});
}

CinderApi::Reply CinderApi::set_snapshot_metadata(CallPtr call) {
  model::Metadata metadata = metadata_body(*call->request);
  bool merge = call->request->method == Verb::post;
  model::Metadata all =
      co_await s_.snapshots.set_metadata(call->actor, SnapshotId(call->path.get("id")), std::move(metadata), merge);
  co_return json_reply(200, json::object{{"metadata", metadata_view(all)}});
}

CinderApi::Reply CinderApi::snapshot_metadata_item(CallPtr call) {
  Snapshot snapshot = co_await s_.snapshots.show(call->actor, SnapshotId(call->path.get("id")));
  std::string key = call->path.get("key");
  auto found = snapshot.metadata.find(key);
  if (found == snapshot.metadata.end()) {
    throw Error(ErrorCode::NotFound, "Snapshot " + snapshot.id.str() + " has no metadata with key " + key + ".");
  }
  co_return json_reply(200, json::object{{"meta", json::object{{key, found->second}}}});
}

CinderApi::Reply CinderApi::set_snapshot_metadata_item(CallPtr call) {
  model::Metadata item = metadata_item_body(*call->request, call->path.get("key"));
  co_await s_.snapshots.set_metadata(call->actor, SnapshotId(call->path.get("id")), item, true);
  co_return json_reply(200, json::object{{"meta", metadata_view(item)}});
}

CinderApi::Reply CinderApi::delete_snapshot_metadata_item(CallPtr call) {
  co_await s_.snapshots.remove_metadata(call->actor, SnapshotId(call->path.get("id")), call->path.get("key"));
  co_return empty_reply(200);
}

}  // namespace varve::api::cinder
