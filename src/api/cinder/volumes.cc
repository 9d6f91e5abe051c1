#include <boost/json.hpp>

#include "api/cinder/filters.h"
#include "api/cinder/metadata_calls.h"
#include "api/cinder/rows.h"
#include "api/common/body.h"
#include "api/common/paging.h"
#include "api/common/resource_views.h"

namespace varve::api::cinder {

using http::Verb;
using services::VolumeDetail;

namespace {

constexpr std::int64_t kMaxSize = 2147483647;

constexpr FilterSpec kFilters[] = {
    {"name", "name"},
    {"display_name", "name"},
    {"description", "description"},
    {"status", "status"},
    {"id", "id"},
    {"size", "size_gib", FilterSpec::Kind::Integer},
    {"bootable", "bootable", FilterSpec::Kind::Boolean},
    {"multiattach", "multiattach", FilterSpec::Kind::Boolean},
    {"availability_zone", "availability_zone"},
    {"user_id", "user_id"},
    {"volume_type_id", "volume_type_id"},
    {"metadata", "metadata", FilterSpec::Kind::Metadata},
    {"group_id", "group_id"},
    {"migration_status", "migration_status"},
    {"glance_metadata", "image_metadata", FilterSpec::Kind::Metadata},
    {"created_at", "created_at", FilterSpec::Kind::Time},
    {"updated_at", "updated_at", FilterSpec::Kind::Time},
    {"consumes_quota", "", FilterSpec::Kind::Always},
};

constexpr SortSpec kSortKeys[] = {
    {"id", "id"},
    {"name", "name"},
    {"display_name", "name"},
    {"status", "status"},
    {"size", "size_gib"},
    {"bootable", "bootable"},
    {"created_at", "created_at"},
    {"updated_at", "updated_at"},
    {"availability_zone", "availability_zone"},
    {"volume_type_id", "volume_type_id"},
};

// name beats display_name, as at Cinder.
void read_name(Fields& fields, model::Change<std::string>& name, model::Change<std::string>& description) {
  name = fields.nullable_text("display_name");
  description = fields.nullable_text("display_description");
  if (fields.has("name")) name = fields.nullable_text("name");
  if (fields.has("description")) description = fields.nullable_text("description");
}

services::VolumeSpec read_spec(Fields& fields, const Call& call) {
  services::VolumeSpec spec;
  model::Change<std::string> name;
  model::Change<std::string> description;
  read_name(fields, name, description);
  spec.name = name.value_or(std::nullopt);
  spec.description = description.value_or(std::nullopt);
  spec.size_gib = fields.integer("size", 1, kMaxSize);
  spec.volume_type = fields.text("volume_type");
  spec.availability_zone = fields.text("availability_zone");
  spec.snapshot_id = fields.id<SnapshotId>("snapshot_id");
  spec.source_volume_id = fields.id<VolumeId>("source_volid");
  spec.metadata = fields.metadata("metadata").value_or(model::Metadata());
  spec.multiattach = fields.boolean("multiattach").value_or(false);
  spec.count = fields.integer("count", 1, 100).value_or(1);
  if (spec.volume_type && spec.volume_type->empty()) spec.volume_type.reset();
  spec.image_id = fields.text("imageRef");
  if (std::optional<std::string> image = fields.text("image_id"); image && !spec.image_id) spec.image_id = image;
  if (spec.image_id && spec.image_id->empty()) spec.image_id.reset();
  spec.image_may_name_snapshot = call.version.at_least(46);
  if (call.version.at_least(47)) spec.backup_id = fields.id<BackupId>("backup_id");
  if (call.version.at_least(13)) spec.group_id = fields.id<GroupId>("group_id");
  if (std::optional<GroupId> group = fields.id<GroupId>("consistencygroup_id"); group && !spec.group_id) {
    spec.group_id = group;
  }
  std::optional<std::string> replica = fields.text("source_replica");
  if (replica && !replica->empty()) {
    Fields::refuse("source_replica", json::value(*replica), "Volumes are not replicated here");
  }
  // Below 3.53 Cinder lets any other member pass; from there on it is strict.
  if (call.version.at_least(53)) fields.finish();
  return spec;
}

Reply create_volume(Services& s, CallPtr call) {
  Body body(*call->request, "volume");
  services::VolumeSpec spec = read_spec(body.fields(), *call);
  // Of several (EVS's count) the first is shown.
  services::CreatedVolumes made = co_await s.volumes.create(call->actor, std::move(spec));
  json::object view = volume_view(*call, made.volumes.front(), s.settings, false);
  co_return json_reply(202, json::object{{"volume", std::move(view)}});
}

template <bool kDetail>
Reply list_volumes(Services& s, CallPtr call) {
  model::PageQuery query = parse_page(*call, ListSpec{kFilters, kSortKeys});
  model::Page<VolumeDetail> page = co_await s.volumes.list(query);
  auto view = [&](const VolumeDetail& row) {
    return kDetail ? volume_view(*call, row, s.settings, true) : volume_summary_view(*call, row.volume);
  };
  co_return page_reply(*call, "volumes", query, page, view);
}

Reply volumes_summary(Services& s, CallPtr call) {
  bool everywhere = call->actor.admin && !call->parameter("all_tenants").empty();
  std::optional<ProjectId> scope;
  if (!everywhere) scope = call->actor.project_id;
  services::VolumeSummary summary = co_await s.volumes.summary(scope);
  json::object view{{"total_count", summary.usage.count}, {"total_size", summary.usage.gib}};
  if (call->version.at_least(36)) {
    std::map<std::string, std::set<std::string>> values;
    for (const model::Metadata& metadata : summary.metadata) {
      for (const auto& [key, value] : metadata) values[key].insert(value);
    }
    json::object metadata;
    for (const auto& [key, distinct] : values) metadata[key] = json::array(distinct.begin(), distinct.end());
    view["metadata"] = std::move(metadata);
  }
  co_return json_reply(200, json::object{{"volume-summary", std::move(view)}});
}

Reply show_volume(Services& s, CallPtr call) {
  VolumeDetail detail = co_await s.volumes.show(call->actor, VolumeId(call->path.get("id")));
  json::object view = volume_view(*call, detail, s.settings, true);
  co_return json_reply(200, json::object{{"volume", std::move(view)}});
}

Reply update_volume(Services& s, CallPtr call) {
  Body body(*call->request, "volume");
  services::VolumeChange change;
  read_name(body.fields(), change.name, change.description);
  change.metadata = body.fields().metadata("metadata");
  body.fields().finish();
  if (body.fields().count() == 0 && call->version.at_least(53)) {
    Fields::refuse("volume", json::object(), "At least one of name, description and metadata is wanted");
  }
  VolumeDetail detail = co_await s.volumes.update(call->actor, VolumeId(call->path.get("id")), std::move(change));
  json::object view = volume_view(*call, detail, s.settings, false);
  co_return json_reply(200, json::object{{"volume", std::move(view)}});
}

Reply delete_volume(Services& s, CallPtr call) {
  auto flag = [&](const char* name) {
    std::string text = call->parameter(name);
    return !text.empty() && parse_boolean(name, text);
  };
  bool cascade = flag("cascade");
  bool force = call->version.at_least(23) && flag("force");
  if (force) call->require_admin();
  co_await s.volumes.remove(call->actor, VolumeId(call->path.get("id")), cascade, force);
  co_return empty_reply(202);
}

// What its type's encryption said; the storage does it, and clients see plain bytes.
Reply volume_encryption(Services& s, CallPtr call) {
  VolumeDetail detail = co_await s.volumes.show(call->actor, VolumeId(call->path.get("id")));
  json::object out{{"encryption_key_id", text_or_null(detail.volume.encryption_key_id)}};
  if (detail.volume.encryption_key_id) {
    auto said = co_await s.type_extras.encryption(detail.volume.volume_type_id.str());
    out["provider"] = said ? said->provider : "luks";
    out["control_location"] = said ? said->control_location : "back-end";
    out["cipher"] = said && said->cipher ? *said->cipher : "aes-xts-plain64";
    out["key_size"] = said && said->key_size ? *said->key_size : 256;
  }
  co_return json_reply(200, out);
}

Reply volume_usage(Services& s, CallPtr call) {
  VolumeId id(call->path.get("id"));
  services::Usage usage = co_await s.volumes.usage(call->actor, id);
  json::object view{{"allocated_bytes", usage.allocated}, {"exclusive_bytes", usage.exclusive}};
  view["independence_percent"] = co_await s.volumes.independence_percent(call->actor, id);
  co_return json_reply(200, json::object{{"usage", std::move(view)}});
}

Reply volume_metadata(Services& s, CallPtr call) {
  VolumeDetail detail = co_await s.volumes.show(call->actor, VolumeId(call->path.get("id")));
  http::Response reply = json_reply(200, json::object{{"metadata", metadata_view(detail.volume.metadata)}});
  if (call->version.at_least(15)) reply.headers.emplace_back("ETag", metadata_etag(detail.volume.metadata));
  co_return reply;
}

Reply set_volume_metadata(Services& s, CallPtr call) {
  model::Metadata metadata = metadata_body(*call->request);
  bool merge = call->request->method == Verb::post;
  model::Metadata all = co_await s.volumes.set_metadata(call->actor, VolumeId(call->path.get("id")),
                                                        std::move(metadata), merge, if_match(*call));
  co_return json_reply(200, json::object{{"metadata", metadata_view(all)}});
}

Reply volume_metadata_item(Services& s, CallPtr call) {
  VolumeDetail detail = co_await s.volumes.show(call->actor, VolumeId(call->path.get("id")));
  std::string key = call->path.get("key");
  json::object pair = pair_of(detail.volume.metadata, key, "Volume " + detail.volume.id.str() + " has no metadata");
  co_return json_reply(200, json::object{{"meta", std::move(pair)}});
}

Reply set_volume_metadata_item(Services& s, CallPtr call) {
  model::Metadata item = metadata_item_body(*call->request, call->path.get("key"));
  co_await s.volumes.set_metadata(call->actor, VolumeId(call->path.get("id")), item, true, if_match(*call));
  co_return json_reply(200, json::object{{"meta", metadata_view(item)}});
}

Reply delete_volume_metadata_item(Services& s, CallPtr call) {
  co_await s.volumes.remove_metadata(call->actor, VolumeId(call->path.get("id")), call->path.get("key"),
                                     if_match(*call));
  co_return empty_reply(200);
}

constexpr Row<Services> kRows[] = {
    {Verb::post, "/volumes", "evs:volumes:create evs:volumes:get", create_volume},
    {Verb::get, "/volumes", "evs:volumes:list", list_volumes<false>},
    {Verb::get, "/volumes/detail", "evs:volumes:list", list_volumes<true>},
    {Verb::get, "/volumes/summary", "evs:volumes:get evs:volumes:list", volumes_summary, 12},
    {Verb::get, "/volumes/{id}", "evs:volumes:get", show_volume},
    {Verb::put, "/volumes/{id}", "evs:volumes:update evs:volumes:get", update_volume},
    {Verb::delete_, "/volumes/{id}", "evs:volumes:delete evs:volumes:get", delete_volume},
    {Verb::get, "/volumes/{id}/encryption", "member", volume_encryption},
    {Verb::get, "/volumes/{id}/usage", "evs:volumes:get", volume_usage},
    {Verb::get, "/volumes/{id}/metadata", "evs:volumes:get", volume_metadata},
    {Verb::post, "/volumes/{id}/metadata", "evs:volumes:update evs:volumes:get", set_volume_metadata},
    {Verb::put, "/volumes/{id}/metadata", "evs:volumes:update evs:volumes:get", set_volume_metadata},
    {Verb::get, "/volumes/{id}/metadata/{key}", "evs:volumes:get", volume_metadata_item},
    {Verb::put, "/volumes/{id}/metadata/{key}", "evs:volumes:update evs:volumes:get", set_volume_metadata_item},
    {Verb::delete_, "/volumes/{id}/metadata/{key}", "evs:volumes:delete evs:volumes:get", delete_volume_metadata_item},
};

}  // namespace

std::span<const FilterSpec> volume_filters() {
  return kFilters;
}

Rows volumes_rows() {
  return kRows;
}

}  // namespace varve::api::cinder
