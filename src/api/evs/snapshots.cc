#include <boost/json.hpp>

#include "api/common/paging.h"
#include "api/common/resource_views.h"
#include "api/common/snapshot_bodies.h"
#include "api/evs/evs_api.h"

namespace varve::api::evs {

using http::Verb;
using model::Snapshot;

namespace {

constexpr FilterSpec kFilters[] = {
    {"id", "id"},
    {"name", "name"},
    {"status", "status"},
    {"volume_id", "volume_id"},
    {"service_type", "EVS", FilterSpec::Kind::Constant},
    {"metadata", "metadata", FilterSpec::Kind::Metadata},
};
constexpr SortSpec kSortKeys[] = {
    {"id", "id"}, {"name", "name"}, {"status", "status"}, {"size", "size_gib"}, {"created_at", "created_at"}};

http::Response snapshot_reply(const Call& call, unsigned status, const Snapshot& snapshot) {
  json::object view = snapshot_view(call, snapshot, SnapshotFields::Extended);
  return json_reply(status, json::object{{"snapshot", std::move(view)}});
}

SnapshotId path_id(const Call& call) {
  return SnapshotId(call.path.get("id"));
}

}  // namespace

void EvsApi::register_snapshots(Dispatcher& d) {
  route(d, Verb::post, "/cloudsnapshots", &EvsApi::create_snapshot);
  route(d, Verb::get, "/cloudsnapshots/detail", &EvsApi::list_snapshots_detail);
  route(d, Verb::get, "/cloudsnapshots/{id}", &EvsApi::show_snapshot);
  route(d, Verb::put, "/cloudsnapshots/{id}", &EvsApi::update_snapshot);
  route(d, Verb::delete_, "/cloudsnapshots/{id}", &EvsApi::delete_snapshot);
  route(d, Verb::post, "/cloudsnapshots/{id}/rollback", &EvsApi::rollback_snapshot);
  route(d, Verb::post, "/os-vendor-snapshots/{id}/rollback", &EvsApi::rollback_snapshot);
}

EvsApi::Reply EvsApi::create_snapshot(CallPtr call) {
  Snapshot made = co_await s_.snapshots.create(call->actor, read_snapshot_spec(*call));
  co_return snapshot_reply(*call, 202, made);
}

EvsApi::Reply EvsApi::list_snapshots_detail(CallPtr call) {
  model::PageQuery query = parse_page(*call, ListSpec{kFilters, kSortKeys, ListRules::Evs, {}});
  model::Page<Snapshot> page = co_await s_.snapshots.list(query);
  auto view = [&](const Snapshot& row) {
    json::object out = snapshot_view(*call, row, SnapshotFields::Extended);
    out["service_type"] = "EVS";
    return out;
  };
  co_return page_reply(*call, "snapshots", query, page, view);
}

EvsApi::Reply EvsApi::show_snapshot(CallPtr call) {
  co_return snapshot_reply(*call, 200, co_await s_.snapshots.show(call->actor, path_id(*call)));
}

EvsApi::Reply EvsApi::update_snapshot(CallPtr call) {
  Snapshot changed = co_await s_.snapshots.update(call->actor, path_id(*call), read_snapshot_change(*call));
  co_return snapshot_reply(*call, 200, changed);
}

EvsApi::Reply EvsApi::delete_snapshot(CallPtr call) {
  co_await s_.snapshots.remove(call->actor, path_id(*call), false);
  co_return empty_reply(202);
}

EvsApi::Reply EvsApi::rollback_snapshot(CallPtr call) {
  Body body(*call->request, "rollback");
  VolumeId volume(body.fields().required_uuid("volume_id"));
  body.fields().text("name");
  body.fields().finish();
  co_await s_.volumes.rollback(call->actor, volume, path_id(*call));
  co_return json_reply(202, json::object{{"rollback", json::object{{"volume_id", volume.str()}}}});
}

}  // namespace varve::api::evs
