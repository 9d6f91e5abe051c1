#include <boost/json.hpp>

#include "api/cinder/cinder_api.h"
#include "api/cinder/filters.h"
#include "api/cinder/metadata_calls.h"
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
void read_name(Fields& fields, std::optional<std::optional<std::string>>& name,
               std::optional<std::optional<std::string>>& description) {
  name = fields.nullable_text("display_name");
  description = fields.nullable_text("display_description");
  if (fields.has("name")) name = fields.nullable_text("name");
  if (fields.has("description")) description = fields.nullable_text("description");
}

services::VolumeSpec read_spec(Fields& fields, const Call& call) {
  services::VolumeSpec spec;
  std::optional<std::optional<std::string>> name;
  std::optional<std::optional<std::string>> description;
  read_name(fields, name, description);
  spec.name = name.value_or(std::nullopt);
  spec.description = description.value_or(std::nullopt);
  spec.size_gib = fields.integer("size", 1, kMaxSize);
  spec.volume_type = fields.text("volume_type");
  spec.availability_zone = fields.text("availability_zone");
  spec.snapshot_id = fields.uuid("snapshot_id");
  spec.source_volume_id = fields.uuid("source_volid");
  spec.metadata = fields.metadata("metadata").value_or(model::Metadata());
  spec.multiattach = fields.boolean("multiattach").value_or(false);
  spec.count = fields.integer("count", 1, 100).value_or(1);
  if (spec.volume_type && spec.volume_type->empty()) spec.volume_type.reset();
  spec.image_id = fields.text("imageRef");
  if (std::optional<std::string> image = fields.text("image_id"); image && !spec.image_id) spec.image_id = image;
  if (spec.image_id && spec.image_id->empty()) spec.image_id.reset();
  spec.image_may_name_snapshot = call.version.at_least(46);
  if (call.version.at_least(47)) spec.backup_id = fields.uuid("backup_id");
  if (call.version.at_least(13)) spec.group_id = fields.uuid("group_id");
  if (std::optional<std::string> group = fields.uuid("consistencygroup_id"); group && !spec.group_id) {
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

}  // namespace

std::span<const FilterSpec> volume_filters() {
  return kFilters;
}

void CinderApi::register_volumes(Dispatcher& d) {
  route(d, Verb::post, "/volumes", &CinderApi::create_volume);
  route(d, Verb::get, "/volumes", &CinderApi::list_volumes);
  route(d, Verb::get, "/volumes/detail", &CinderApi::list_volumes_detail);
  route_since(d, 12, Verb::get, "/volumes/summary", &CinderApi::volumes_summary);
  route(d, Verb::get, "/volumes/{id}", &CinderApi::show_volume);
  route(d, Verb::put, "/volumes/{id}", &CinderApi::update_volume);
  route(d, Verb::delete_, "/volumes/{id}", &CinderApi::delete_volume);
  route(d, Verb::get, "/volumes/{id}/encryption", &CinderApi::volume_encryption);
  route(d, Verb::get, "/volumes/{id}/usage", &CinderApi::volume_usage);
  route(d, Verb::post, "/volumes/{id}/action", &CinderApi::volume_action);
  route(d, Verb::get, "/volumes/{id}/metadata", &CinderApi::volume_metadata);
  route(d, Verb::post, "/volumes/{id}/metadata", &CinderApi::set_volume_metadata);
  route(d, Verb::put, "/volumes/{id}/metadata", &CinderApi::set_volume_metadata);
  route(d, Verb::get, "/volumes/{id}/metadata/{key}", &CinderApi::volume_metadata_item);
  route(d, Verb::put, "/volumes/{id}/metadata/{key}", &CinderApi::set_volume_metadata_item);
  route(d, Verb::delete_, "/volumes/{id}/metadata/{key}", &CinderApi::delete_volume_metadata_item);
}

CinderApi::Reply CinderApi::create_volume(CallPtr call) {
  Body body(*call->request, "volume");
  services::VolumeSpec spec = read_spec(body.fields(), *call);
  // Of several (EVS's count) the first is shown.
  services::CreatedVolumes made = co_await s_.volumes.create(call->actor, std::move(spec));
  json::object view = volume_view(*call, made.volumes.front(), s_.settings, false);
  co_return json_reply(202, json::object{{"volume", std::move(view)}});
}

CinderApi::Reply CinderApi::list_volumes(CallPtr call) {
  return volume_page(std::move(call), false);
}
CinderApi::Reply CinderApi::list_volumes_detail(CallPtr call) {
  return volume_page(std::move(call), true);
}

CinderApi::Reply CinderApi::volume_page(CallPtr call, bool detail) {
  model::PageQuery query = parse_page(*call, ListSpec{kFilters, kSortKeys});
  model::Page<VolumeDetail> page = co_await s_.volumes.list(query);
  auto view = [&](const VolumeDetail& row) {
    return detail ? volume_view(*call, row, s_.settings, true) : volume_summary_view(*call, row.volume);
  };
  co_return page_reply(*call, "volumes", query, page, view);
}

CinderApi::Reply CinderApi::volumes_summary(CallPtr call) {
  if (!call->version.at_least(12) && call->request->path.starts_with("/v3")) {
    throw Error(ErrorCode::UnknownRoute, "The resource could not be found: it needs microversion 3.12.");
  }
  bool everywhere = call->actor.admin && !call->parameter("all_tenants").empty();
  store::Scope scope = everywhere ? store::Scope() : store::Scope(call->actor.project_id);
  services::VolumeSummary summary = co_await s_.volumes.summary(scope);
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

CinderApi::Reply CinderApi::show_volume(CallPtr call) {
  VolumeDetail detail = co_await s_.volumes.show(call->actor, VolumeId(call->path.get("id")));
  json::object view = volume_view(*call, detail, s_.settings, true);
  co_return json_reply(200, json::object{{"volume", std::move(view)}});
}

CinderApi::Reply CinderApi::update_volume(CallPtr call) {
  Body body(*call->request, "volume");
  services::VolumeChange change;
  read_name(body.fields(), change.name, change.description);
  change.metadata = body.fields().metadata("metadata");
  body.fields().finish();
  if (body.fields().count() == 0 && call->version.at_least(53)) {
    Fields::refuse("volume", json::object(), "At least one of name, description and metadata is wanted");
  }
  VolumeDetail detail = co_await s_.volumes.update(call->actor, VolumeId(call->path.get("id")), std::move(change));
  json::object view = volume_view(*call, detail, s_.settings, false);
  co_return json_reply(200, json::object{{"volume", std::move(view)}});
}

CinderApi::Reply CinderApi::delete_volume(CallPtr call) {
  auto flag = [&](const char* name) {
    std::string text = call->parameter(name);
    return !text.empty() && parse_boolean(name, text);
  };
  bool cascade = flag("cascade");
  bool force = call->version.at_least(23) && flag("force");
  if (force) call->require_admin();
  co_await s_.volumes.remove(call->actor, VolumeId(call->path.get("id")), cascade, force);
  co_return empty_reply(202);
}

// What its type's encryption said; the storage does it, and clients see plain bytes.
CinderApi::Reply CinderApi::volume_encryption(CallPtr call) {
  VolumeDetail detail = co_await s_.volumes.show(call->actor, VolumeId(call->path.get("id")));
  json::object out{{"encryption_key_id", text_or_null(detail.volume.encryption_key_id)}};
  if (detail.volume.encryption_key_id) {
    auto said = co_await s_.type_extras.encryption(detail.volume.volume_type_id.str());
    out["provider"] = said ? said->provider : "luks";
    out["control_location"] = said ? said->control_location : "back-end";
    out["cipher"] = said && said->cipher ? *said->cipher : "aes-xts-plain64";
    out["key_size"] = said && said->key_size ? *said->key_size : 256;
  }
  co_return json_reply(200, out);
}

CinderApi::Reply CinderApi::volume_usage(CallPtr call) {
  VolumeId id(call->path.get("id"));
  backends::Usage usage = co_await s_.volumes.usage(call->actor, id);
  json::object view{{"allocated_bytes", usage.allocated}, {"exclusive_bytes", usage.exclusive}};
  view["independence_percent"] = s_.backend.independence_percent(id);
  co_return json_reply(200, json::object{{"usage", std::move(view)}});
}

CinderApi::Reply CinderApi::volume_metadata(CallPtr call) {
  VolumeDetail detail = co_await s_.volumes.show(call->actor, VolumeId(call->path.get("id")));
  http::Response reply = json_reply(200, json::object{{"metadata", metadata_view(detail.volume.metadata)}});
  if (call->version.at_least(15)) reply.headers.emplace_back("ETag", metadata_etag(detail.volume.metadata));
  co_return reply;
}

CinderApi::Reply CinderApi::set_volume_metadata(CallPtr call) {
  model::Metadata metadata = metadata_body(*call->request);
  bool merge = call->request->method == Verb::post;
  model::Metadata all = co_await s_.volumes.set_metadata(call->actor, VolumeId(call->path.get("id")),
                                                         std::move(metadata), merge, if_match(*call));
  co_return json_reply(200, json::object{{"metadata", metadata_view(all)}});
}

CinderApi::Reply CinderApi::volume_metadata_item(CallPtr call) {
  VolumeDetail detail = co_await s_.volumes.show(call->actor, VolumeId(call->path.get("id")));
  std::string key = call->path.get("key");
  auto found = detail.volume.metadata.find(key);
  if (found == detail.volume.metadata.end()) {
    throw Error(ErrorCode::NotFound, "Volume " + detail.volume.id.str() + " has no metadata with key " + key + ".");
  }
  co_return json_reply(200, json::object{{"meta", json::object{{key, found->second}}}});
}

CinderApi::Reply CinderApi::set_volume_metadata_item(CallPtr call) {
  model::Metadata item = metadata_item_body(*call->request, call->path.get("key"));
  co_await s_.volumes.set_metadata(call->actor, VolumeId(call->path.get("id")), item, true, if_match(*call));
  co_return json_reply(200, json::object{{"meta", metadata_view(item)}});
}

CinderApi::Reply CinderApi::delete_volume_metadata_item(CallPtr call) {
  co_await s_.volumes.remove_metadata(call->actor, VolumeId(call->path.get("id")), call->path.get("key"),
                                      if_match(*call));
  co_return empty_reply(200);
}

}  // namespace varve::api::cinder
