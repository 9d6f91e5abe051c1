#include <boost/json.hpp>

#include "api/cinder/filters.h"
#include "api/cinder/metadata_calls.h"
#include "api/cinder/rows.h"
#include "api/common/action_rows.h"
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

Reply create_snapshot(Services& s, CallPtr call) {
  services::SnapshotSpec spec = read_snapshot_spec(*call);
  // Before 3.66 Cinder wants force for a volume in use; EVS and the open profile never do.
  bool as_cinder = s.settings.profile == services::Profile::Cinder;
  if (as_cinder && !call->version.at_least(66)) spec.attached = spec.force;
  Snapshot made = co_await s.snapshots.create(call->actor, std::move(spec));
  json::object view = snapshot_view(*call, made, SnapshotFields::Plain);
  co_return json_reply(202, json::object{{"snapshot", std::move(view)}});
}

template <bool kDetail>
Reply list_snapshots(Services& s, CallPtr call) {
  model::PageQuery query = parse_page(*call, ListSpec{kFilters, kSortKeys});
  model::Page<Snapshot> page = co_await s.snapshots.list(query);
  auto view = [&](const Snapshot& row) {
    return snapshot_view(*call, row, kDetail ? SnapshotFields::Extended : SnapshotFields::Listed);
  };
  co_return page_reply(*call, "snapshots", query, page, view);
}

Reply show_snapshot(Services& s, CallPtr call) {
  Snapshot snapshot = co_await s.snapshots.show(call->actor, SnapshotId(call->path.get("id")));
  json::object view = snapshot_view(*call, snapshot, SnapshotFields::Extended);
  co_return json_reply(200, json::object{{"snapshot", std::move(view)}});
}

// The seed: "Updating an EVS Snapshot". The reply has the two reserved fields, which the page lists.
Reply update_snapshot(Services& s, CallPtr call) {
  services::SnapshotChange change = read_snapshot_change(*call);
  Snapshot snapshot = co_await s.snapshots.update(call->actor, SnapshotId(call->path.get("id")), std::move(change));
  bool as_cinder = s.settings.profile == services::Profile::Cinder;
  json::object view = snapshot_view(*call, snapshot, as_cinder ? SnapshotFields::Plain : SnapshotFields::Extended);
  co_return json_reply(200, json::object{{"snapshot", std::move(view)}});
}

Reply delete_snapshot(Services& s, CallPtr call) {
  co_await s.snapshots.remove(call->actor, SnapshotId(call->path.get("id")), false);
  co_return empty_reply(202);
}

Reply snapshot_usage(Services& s, CallPtr call) {
  services::Usage usage = co_await s.snapshots.usage(call->actor, SnapshotId(call->path.get("id")));
  json::object view{{"allocated_bytes", usage.allocated}, {"exclusive_bytes", usage.exclusive}};
  co_return json_reply(200, json::object{{"usage", std::move(view)}});
}

Reply reset_status(Services& s, CallPtr call, Arguments given) {
  co_await s.snapshots.reset_status(call->actor, SnapshotId(call->path.get("id")), given.only("status"));
  co_return empty_reply(202);
}

Reply report_status(Services& s, CallPtr call, Arguments given) {
  Fields fields = given.fields();
  std::string status = fields.required_text("status");
  std::optional<std::string> progress = fields.text("progress");
  fields.finish();
  co_await s.snapshots.report_status(call->actor, SnapshotId(call->path.get("id")), status, progress);
  co_return empty_reply(202);
}

Reply unmanage(Services& s, CallPtr call, Arguments) {
  co_await s.adoption.unmanage_snapshot(call->actor, SnapshotId(call->path.get("id")));
  co_return empty_reply(202);
}

Reply force_delete(Services& s, CallPtr call, Arguments) {
  co_await s.snapshots.remove(call->actor, SnapshotId(call->path.get("id")), true);
  co_return empty_reply(202);
}

constexpr ActionRow<Services> kActions[] = {
    {"os-reset_status", "admin", reset_status},
    {"os-update_snapshot_status", "member", report_status},
    {"os-unmanage", "admin", unmanage},
    {"os-force_delete", "admin", force_delete},
};

Reply snapshot_metadata(Services& s, CallPtr call) {
  Snapshot snapshot = co_await s.snapshots.show(call->actor, SnapshotId(call->path.get("id")));
  co_return json_reply(200, json::object{{"metadata", metadata_view(snapshot.metadata)}});
}

Reply set_snapshot_metadata(Services& s, CallPtr call) {
  model::Metadata metadata = metadata_body(*call->request);
  bool merge = call->request->method == Verb::post;
  model::Metadata all =
      co_await s.snapshots.set_metadata(call->actor, SnapshotId(call->path.get("id")), std::move(metadata), merge);
  co_return json_reply(200, json::object{{"metadata", metadata_view(all)}});
}

Reply snapshot_metadata_item(Services& s, CallPtr call) {
  Snapshot snapshot = co_await s.snapshots.show(call->actor, SnapshotId(call->path.get("id")));
  std::string key = call->path.get("key");
  json::object pair = pair_of(snapshot.metadata, key, "Snapshot " + snapshot.id.str() + " has no metadata");
  co_return json_reply(200, json::object{{"meta", std::move(pair)}});
}

Reply set_snapshot_metadata_item(Services& s, CallPtr call) {
  model::Metadata item = metadata_item_body(*call->request, call->path.get("key"));
  co_await s.snapshots.set_metadata(call->actor, SnapshotId(call->path.get("id")), item, true);
  co_return json_reply(200, json::object{{"meta", metadata_view(item)}});
}

Reply delete_snapshot_metadata_item(Services& s, CallPtr call) {
  co_await s.snapshots.remove_metadata(call->actor, SnapshotId(call->path.get("id")), call->path.get("key"));
  co_return empty_reply(200);
}

constexpr Row<Services> kRows[] = {
    {Verb::post, "/snapshots", "evs:snapshots:create evs:volumes:get", create_snapshot},
    {Verb::get, "/snapshots", "evs:snapshots:list", list_snapshots<false>},
    {Verb::get, "/snapshots/detail", "evs:snapshots:list", list_snapshots<true>},
    {Verb::get, "/snapshots/{id}", "evs:snapshots:get", show_snapshot},
    {Verb::put, "/snapshots/{id}", "evs:snapshots:update evs:snapshots:get", update_snapshot},
    {Verb::delete_, "/snapshots/{id}", "evs:snapshots:delete evs:snapshots:get evs:volumes:get", delete_snapshot},
    {Verb::get, "/snapshots/{id}/usage", "evs:snapshots:get", snapshot_usage},
    action_row<kActions, Services>("/snapshots/{id}/action"),
    {Verb::get, "/snapshots/{id}/metadata", "evs:snapshots:get", snapshot_metadata},
    {Verb::post, "/snapshots/{id}/metadata", "evs:snapshots:update evs:snapshots:get", set_snapshot_metadata},
    {Verb::put, "/snapshots/{id}/metadata", "evs:snapshots:update evs:snapshots:get", set_snapshot_metadata},
    {Verb::get, "/snapshots/{id}/metadata/{key}", "evs:snapshots:get", snapshot_metadata_item},
    {Verb::put, "/snapshots/{id}/metadata/{key}", "evs:snapshots:update evs:snapshots:get", set_snapshot_metadata_item},
    {Verb::delete_, "/snapshots/{id}/metadata/{key}", "evs:snapshots:delete evs:snapshots:get",
     delete_snapshot_metadata_item},
};

}  // namespace

std::span<const FilterSpec> snapshot_filters() {
  return kFilters;
}

Rows snapshots_rows() {
  return kRows;
}

}  // namespace varve::api::cinder
