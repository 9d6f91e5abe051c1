// Taking in what the storage has and no row knows of (3.8; os-volume-manage and os-snapshot-manage before). For
// administrators.

#include <boost/json.hpp>

#include "api/cinder/hosts.h"
#include "api/cinder/rows.h"
#include "api/common/body.h"
#include "api/common/paging.h"
#include "api/common/resource_views.h"

namespace varve::api::cinder {

using http::Verb;
using services::Manageable;

namespace {

constexpr int kManageable = 8;

// {"source-name": "..."} or {"source-id": "..."}: the same here.
std::string read_reference(Fields& fields, const std::string& prefix) {
  Fields reference = fields.object("ref");
  std::optional<std::string> name = reference.text("source-name");
  std::optional<std::string> id = reference.text("source-id");
  reference.finish();
  if (!name && !id) throw Error(ErrorCode::InvalidInput, "'ref' must have a 'source-name' or a 'source-id'");
  return name ? *name : prefix + *id;
}

json::object manageable_view(const Manageable& one, bool snapshots, bool detail) {
  json::object reference{{"source-name", one.found.name}};
  json::object out{{"reference", std::move(reference)}, {"size", one.found.size_gib}};
  bool safe = !one.owner && one.found.refusal.empty();
  out["safe_to_manage"] = safe;
  if (snapshots) out["source_reference"] = json::object{{"source-name", "volume-" + one.found.volume->str()}};
  if (!detail) return out;
  std::string why = one.owner ? "already managed" : one.found.refusal;
  out["reason_not_safe"] = safe ? json::value(nullptr) : json::value(why);
  out["cinder_id"] = text_or_null(one.owner);
  out["extra_info"] = nullptr;
  return out;
}

// The page that limit and offset (or a marker, here a reference) ask for.
json::array page_of(const Call& call, const std::vector<Manageable>& all, bool snapshots, bool detail) {
  model::PageQuery query = parse_page(call, ListSpec{});
  json::array items;
  std::int64_t skipped = 0;
  for (const Manageable& one : all) {
    if (skipped++ < query.offset) continue;
    if (static_cast<std::int64_t>(items.size()) >= query.limit) break;
    items.push_back(manageable_view(one, snapshots, detail));
  }
  return items;
}

template <bool kSnapshots, bool kDetail>
Reply list_manageable(Services& s, CallPtr call) {
  std::string cluster = call->version.at_least(17) ? call->parameter("cluster") : "";
  std::string pool = pool_of_host(host_or_cluster(call->parameter("host"), cluster), s);
  std::erase_if(call->query, [](const auto& one) { return one.first == "host" || one.first == "cluster"; });
  const char* kind = kSnapshots ? "manageable-snapshots" : "manageable-volumes";
  std::vector<Manageable> all;
  if (kSnapshots) {
    all = co_await s.adoption.snapshots(pool);
  } else {
    all = co_await s.adoption.volumes(pool);
  }
  co_return json_reply(200, json::object{{kind, page_of(*call, all, kSnapshots, kDetail)}});
}

Reply manage_volume(Services& s, CallPtr call) {
  Body body(*call->request, "volume");
  Fields& fields = body.fields();
  services::ManageVolumeSpec spec;
  std::optional<std::string> cluster;
  if (call->version.at_least(16)) cluster = fields.text("cluster");
  spec.pool = pool_of_host(host_or_cluster(fields.text("host"), cluster), s);
  spec.source = read_reference(fields, "volume-");
  spec.name = fields.text("name");
  spec.description = fields.text("description");
  spec.volume_type = fields.text("volume_type");
  spec.availability_zone = fields.text("availability_zone");
  spec.metadata = fields.metadata("metadata").value_or(model::Metadata());
  spec.bootable = fields.boolean("bootable").value_or(false);
  fields.finish();
  model::Volume made = co_await s.adoption.manage_volume(call->actor, std::move(spec));
  services::VolumeDetail detail = co_await s.volumes.show(call->actor, made.id);
  json::object view = volume_view(*call, detail, s.settings, false);
  co_return json_reply(202, json::object{{"volume", std::move(view)}});
}

Reply manage_snapshot(Services& s, CallPtr call) {
  Body body(*call->request, "snapshot");
  Fields& fields = body.fields();
  services::ManageSnapshotSpec spec;
  spec.volume_id = fields.required_id<VolumeId>("volume_id");
  spec.source = read_reference(fields, "snapshot-");
  spec.name = fields.text("name");
  spec.description = fields.text("description");
  spec.metadata = fields.metadata("metadata").value_or(model::Metadata());
  fields.finish();
  model::Snapshot made = co_await s.adoption.manage_snapshot(call->actor, std::move(spec));
  json::object view = snapshot_view(*call, made, SnapshotFields::Plain);
  co_return json_reply(202, json::object{{"snapshot", std::move(view)}});
}

constexpr Row<Services> kRows[] = {
    {Verb::get, "/manageable_volumes", "admin", list_manageable<false, false>, kManageable},
    {Verb::get, "/manageable_volumes/detail", "admin", list_manageable<false, true>, kManageable},
    {Verb::post, "/manageable_volumes", "admin", manage_volume, kManageable},
    {Verb::get, "/manageable_snapshots", "admin", list_manageable<true, false>, kManageable},
    {Verb::get, "/manageable_snapshots/detail", "admin", list_manageable<true, true>, kManageable},
    {Verb::post, "/manageable_snapshots", "admin", manage_snapshot, kManageable},
    {Verb::get, "/os-volume-manage", "admin", list_manageable<false, false>},
    {Verb::get, "/os-volume-manage/detail", "admin", list_manageable<false, true>},
    {Verb::post, "/os-volume-manage", "admin", manage_volume},
    {Verb::get, "/os-snapshot-manage", "admin", list_manageable<true, false>},
    {Verb::get, "/os-snapshot-manage/detail", "admin", list_manageable<true, true>},
    {Verb::post, "/os-snapshot-manage", "admin", manage_snapshot},
};

}  // namespace

Rows adoption_rows() {
  return kRows;
}

}  // namespace varve::api::cinder
