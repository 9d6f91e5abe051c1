#include <boost/json.hpp>

#include "api/common/paging.h"
#include "api/common/resource_views.h"
#include "api/common/snapshot_bodies.h"
#include "api/evs/rows.h"

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

Reply create_snapshot(Services& s, CallPtr call) {
  Snapshot made = co_await s.snapshots.create(call->actor, read_snapshot_spec(*call));
  co_return snapshot_reply(*call, 202, made);
}

Reply list_snapshots_detail(Services& s, CallPtr call) {
  model::PageQuery query = parse_page(*call, ListSpec{kFilters, kSortKeys, ListRules::Evs, {}});
  model::Page<Snapshot> page = co_await s.snapshots.list(query);
  auto view = [&](const Snapshot& row) {
    json::object out = snapshot_view(*call, row, SnapshotFields::Extended);
    out["service_type"] = "EVS";
    return out;
  };
  co_return page_reply(*call, "snapshots", query, page, view);
}

Reply show_snapshot(Services& s, CallPtr call) {
  co_return snapshot_reply(*call, 200, co_await s.snapshots.show(call->actor, path_id(*call)));
}

Reply update_snapshot(Services& s, CallPtr call) {
  Snapshot changed = co_await s.snapshots.update(call->actor, path_id(*call), read_snapshot_change(*call));
  co_return snapshot_reply(*call, 200, changed);
}

Reply delete_snapshot(Services& s, CallPtr call) {
  co_await s.snapshots.remove(call->actor, path_id(*call), false);
  co_return empty_reply(202);
}

Reply rollback_snapshot(Services& s, CallPtr call) {
  Body body(*call->request, "rollback");
  VolumeId volume(body.fields().required_uuid("volume_id"));
  body.fields().text("name");
  body.fields().finish();
  co_await s.volumes.rollback(call->actor, volume, path_id(*call));
  co_return json_reply(202, json::object{{"rollback", json::object{{"volume_id", volume.str()}}}});
}

constexpr Row<Services> kRows[] = {
    {Verb::post, "/cloudsnapshots", "evs:snapshots:create", create_snapshot},
    {Verb::get, "/cloudsnapshots/detail", "evs:snapshots:list", list_snapshots_detail},
    {Verb::get, "/cloudsnapshots/{id}", "evs:snapshots:get", show_snapshot},
    {Verb::put, "/cloudsnapshots/{id}", "evs:snapshots:update", update_snapshot},
    {Verb::delete_, "/cloudsnapshots/{id}", "evs:snapshots:delete", delete_snapshot},
    {Verb::post, "/cloudsnapshots/{id}/rollback", "evs:snapshots:rollback", rollback_snapshot},
};

constexpr Row<Services> kExtensionRows[] = {{Verb::post, "/os-vendor-snapshots/{id}/rollback",
                                             "evs:snapshots:rollback evs:snapshots:get evs:volumes:get",
                                             rollback_snapshot}};

}  // namespace

Rows snapshots_rows() {
  return kRows;
}

Rows snapshot_extension_rows() {
  return kExtensionRows;
}

}  // namespace varve::api::evs
