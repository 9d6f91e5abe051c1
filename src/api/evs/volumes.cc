#include <boost/json.hpp>

#include "api/common/body.h"
#include "api/common/paging.h"
#include "api/common/resource_views.h"
#include "api/evs/rows.h"
#include "base/text.h"
#include "model/reason.h"

namespace varve::api::evs {

using http::Verb;
using services::VolumeDetail;

namespace {

constexpr std::int64_t kMaxCount = 100;
constexpr std::size_t kBatchName = 250;  // bytes: five go to the number
constexpr std::int64_t kDataDiskMinimum = 10;
constexpr std::int64_t kMaxSize = 2147483647;

constexpr FieldReason kCreateReasons[] = {
    {"volume", Reason::NoVolumeInBody},
    {"name", Reason::InvalidName},
    {"description", Reason::InvalidDescription},
    {"size", Reason::InvalidSize},
    {"count", Reason::InvalidCount},
    {"availability_zone", Reason::InvalidZone},
    {"volume_type", Reason::InvalidVolumeType},
    {"backup_id", Reason::InvalidBackupId},
    {"snapshot_id", Reason::InvalidSnapshotId},
    {"imageRef", Reason::InvalidImage},
    {"shareable", Reason::InvalidShareable},
    {"multiattach", Reason::InvalidShareable},
    {"tags", Reason::InvalidTag},
    {"", Reason::InvalidBody},
};

constexpr FieldReason kUpdateReasons[] = {{"volume", Reason::NoChangeInBody},
                                          {"name", Reason::InvalidName},
                                          {"description", Reason::InvalidDescription},
                                          {"", Reason::InvalidBody}};
constexpr FieldReason kExtendReasons[] = {
    {"os-extend", Reason::NoExtensionInBody}, {"new_size", Reason::InvalidSize}, {"", Reason::InvalidBody}};
constexpr FieldReason kRetypeReasons[] = {{"new_type", Reason::InvalidVolumeType}, {"", Reason::InvalidBody}};

constexpr FilterSpec kFilters[] = {
    {"availability_zone", "availability_zone", FilterSpec::Kind::Zone},
    {"dedicated_storage_id", "dedicated_storage_id"},
    {"dedicated_storage_name", "", FilterSpec::Kind::Constant},
    {"enterprise_project_id", "enterprise_project_id"},
    {"id", "id"},
    {"ids", "id", FilterSpec::Kind::Ids},
    {"metadata", "metadata", FilterSpec::Kind::Metadata},
    {"multiattach", "multiattach", FilterSpec::Kind::Boolean},
    {"name", "name"},
    {"server_id", "id", FilterSpec::Kind::AttachedTo},
    {"service_type", "EVS", FilterSpec::Kind::Constant},
    {"status", "status", FilterSpec::Kind::Status},
    {"volume_type_id", "volume_type_id"},
};
constexpr SortSpec kSortKeys[] = {
    {"id", "id"}, {"status", "status"}, {"size", "size_gib"}, {"created_at", "created_at"}};

VolumeId path_id(const Call& call) {
  std::string id = call.path.get("id");
  if (!is_uuid(id)) {
    throw Error(ErrorCode::InvalidInput, "'" + id.substr(0, 100) + "' is not an id.", Reason::InvalidVolumeId);
  }
  return VolumeId(id);
}

json::object evs_volume_view(const Call& call, const VolumeDetail& detail, const services::Settings& settings) {
  json::object out = volume_view(call, detail, settings, true);
  add_evs_fields(out, detail);
  return out;
}

http::Response job_reply(unsigned status, const std::string& job) {
  return json_reply(status, json::object{{"job_id", job}});
}

void require_one_source(const Fields& fields) {
  int sources = 0;
  for (const char* key : {"backup_id", "snapshot_id", "imageRef"}) sources += fields.has(key) && !fields.is_null(key);
  if (sources > 1)
    throw Error(ErrorCode::InvalidInput, std::to_string(sources) + " were given.", Reason::SeveralSources);
}

// Inside `volume`, as the developer guide shows it, or in the scheduler hints beside it.
std::optional<std::string> read_dedicated_storage(const Body& body, Fields& fields) {
  std::optional<std::string> id = fields.uuid("dedicated_storage_id");
  const json::value* hints = body.root().if_contains("OS-SCH-HNT:scheduler_hints");
  if (id || hints == nullptr || !hints->is_object()) return id;
  return Fields(*hints, "OS-SCH-HNT:scheduler_hints").text("dedicated_storage_id");
}

void require_size(const services::VolumeSpec& spec, const services::Settings& settings) {
  if (!spec.size_gib && !spec.snapshot_id && !spec.backup_id) {
    throw Error(ErrorCode::InvalidInput, "'size' is a required property.", Reason::InvalidSize);
  }
  bool strict = settings.profile == services::Profile::Evs;
  if (strict && !spec.snapshot_id && !spec.backup_id && *spec.size_gib < kDataDiskMinimum) {
    throw Error(ErrorCode::InvalidInput, "A data disk has at least 10 GiB, not " + std::to_string(*spec.size_gib) + ".",
                Reason::InvalidSize);
  }
}

services::VolumeSpec read_spec(Body& body, const services::Settings& settings) {
  Fields& fields = body.fields();
  require_one_source(fields);
  services::VolumeSpec spec;
  spec.availability_zone = fields.required_text("availability_zone");
  spec.volume_type = fields.required_text("volume_type");
  spec.size_gib = fields.whole_part("size", 1, kMaxSize);
  spec.count = fields.whole_part("count", 1, kMaxCount).value_or(1);
  spec.name = fields.text("name", spec.count > 1 ? kBatchName : kMaxText);
  spec.description = fields.text("description");
  spec.snapshot_id = fields.id<SnapshotId>("snapshot_id");
  spec.image_id = fields.uuid("imageRef");
  spec.backup_id = fields.id<BackupId>("backup_id");
  bool shareable = fields.boolean("shareable").value_or(false);
  spec.multiattach = fields.boolean("multiattach").value_or(shareable);
  spec.metadata = fields.metadata("metadata").value_or(model::Metadata());
  spec.tags = fields.metadata("tags").value_or(model::Metadata());
  spec.enterprise_project_id = fields.text("enterprise_project_id");
  spec.dedicated_storage_id = read_dedicated_storage(body, fields);
  fields.finish();
  require_size(spec, settings);
  return spec;
}

Reply create_volumes(Services& s, CallPtr call) {
  Body body(*call->request, "volume", kCreateReasons, Reason::NoVolumeInBody);
  services::CreatedVolumes made = co_await s.volumes.create(call->actor, read_spec(body, s.settings));
  co_return job_reply(200, made.job.str());
}

template <bool kDetail>
Reply list_volumes(Services& s, CallPtr call) {
  bool several = !call->parameter("ids").empty();
  std::erase_if(call->query, [&](const auto& parameter) {
    return (several && parameter.first == "id") || parameter.second == "all_granted_eps";
  });
  model::PageQuery query =
      parse_page(*call, ListSpec{kFilters, kSortKeys, ListRules::Evs, s.settings.availability_zones});
  query.with_count = kDetail;
  model::Page<VolumeDetail> page = co_await s.volumes.list(query);
  auto view = [&](const VolumeDetail& row) {
    return kDetail ? evs_volume_view(*call, row, s.settings) : volume_summary_view(*call, row.volume);
  };
  co_return page_reply(*call, "volumes", query, page, view);
}

Reply show_volume(Services& s, CallPtr call) {
  VolumeDetail detail = co_await s.volumes.show(call->actor, path_id(*call));
  co_return json_reply(200, json::object{{"volume", evs_volume_view(*call, detail, s.settings)}});
}

// As Cinder does: there is no volume whose id is none.
Reply show_vendor_volume(Services& s, CallPtr call) {
  VolumeDetail detail = co_await s.volumes.show(call->actor, VolumeId(call->path.get("id")));
  co_return json_reply(200, json::object{{"volume", evs_volume_view(*call, detail, s.settings)}});
}

// The one reply without its envelope, and with nulls where others have values: so says its page.
Reply update_volume(Services& s, CallPtr call) {
  VolumeId id = path_id(*call);
  Body body(*call->request, "volume", kUpdateReasons, Reason::NoChangeInBody);
  services::VolumeChange change;
  change.name = body.fields().nullable_text("name");
  change.description = body.fields().nullable_text("description");
  body.fields().finish();
  if (!change.name.value_or(std::nullopt) && !change.description.value_or(std::nullopt)) {
    throw Error(ErrorCode::InvalidInput, "Give at least one of them.", Reason::NothingToUpdate);
  }
  VolumeDetail detail = co_await s.volumes.update(call->actor, id, std::move(change));
  json::object view = evs_volume_view(*call, detail, s.settings);
  view["os-vol-tenant-attr:tenant_id"] = nullptr;
  view["os-vol-host-attr:host"] = nullptr;
  co_return json_reply(200, view);
}

Reply delete_volume(Services& s, CallPtr call) {
  TaskId job = co_await s.volumes.remove(call->actor, path_id(*call), true, false);
  co_return job_reply(200, job.str());
}

Reply extend_volume(Services& s, CallPtr call) {
  VolumeId id = path_id(*call);
  Body body(*call->request, "os-extend", kExtendReasons, Reason::NoExtensionInBody);
  std::optional<std::int64_t> size = body.fields().whole_part("new_size", 1, kMaxSize);
  body.fields().ignore("bssParam");
  body.fields().finish();
  if (!size) throw Error(ErrorCode::InvalidInput, "'new_size' is a required property.", Reason::InvalidSize);
  TaskId job = co_await s.volumes.extend(call->actor, id, *size);
  co_return job_reply(200, job.str());
}

Reply retype_volume(Services& s, CallPtr call) {
  Body body(*call->request, "os-retype", kRetypeReasons, Reason::InvalidBody);
  std::string type = body.fields().required_text("new_type");
  body.fields().finish();
  TaskId job = co_await s.volumes.retype(call->actor, VolumeId(call->path.get("id")), type, true);
  co_return job_reply(202, job.str());
}

// How much of a volume made from a snapshot no longer needs it.
Reply internal_info(Services& s, CallPtr call) {
  int percent = co_await s.volumes.independence_percent(call->actor, VolumeId(call->path.get("id")));
  co_return json_reply(200, json::object{{"info", json::object{{"loading_progress", percent}}}});
}

Reply show_legacy_volume(Services& s, CallPtr call) {
  VolumeDetail detail = co_await s.volumes.show(call->actor, VolumeId(call->path.get("id")));
  json::object view = evs_volume_view(*call, detail, s.settings);
  view["display_name"] = text_or_null(detail.volume.name);
  view["display_description"] = text_or_null(detail.volume.description);
  for (const char* newer : {"name", "description", "links", "updated_at", "user_id", "replication_status",
                            "consistencygroup_id", "migration_status", "service_type", "tags", "wwn",
                            "enterprise_project_id", "dedicated_storage_id", "dedicated_storage_name",
                            "storage_cluster_id", "shareable", "serial_number", "os-volume-replication:driver_data"}) {
    view.erase(newer);
  }
  co_return json_reply(200, json::object{{"volume", std::move(view)}});
}

constexpr Row<Services> kRows[] = {
    {Verb::post, "/cloudvolumes", "evs:volumes:create", create_volumes},
    {Verb::get, "/cloudvolumes", "evs:volumes:list", list_volumes<false>},
    {Verb::get, "/cloudvolumes/detail", "evs:volumes:list", list_volumes<true>},
    {Verb::get, "/cloudvolumes/{id}", "evs:volumes:get", show_volume},
    {Verb::put, "/cloudvolumes/{id}", "evs:volumes:update", update_volume},
    {Verb::delete_, "/cloudvolumes/{id}", "evs:volumes:delete", delete_volume},
    {Verb::post, "/cloudvolumes/{id}/action", "evs:volumes:extend", extend_volume},
    {Verb::post, "/volumes/{id}/retype", "evs:volumes:update", retype_volume},
};

constexpr Row<Services> kExtensionRows[] = {
    {Verb::get, "/os-vendor-volumes/detail", "evs:volumes:list", list_volumes<true>},
    {Verb::get, "/os-vendor-volumes/{id}", "evs:volumes:get", show_vendor_volume},
    {Verb::get, "/os-vendor-volumes/{id}/internal-info", "evs:volumes:get", internal_info},
};

constexpr Row<Services> kLegacyRows[] = {{Verb::get, "/volumes/{id}", "evs:volumes:get", show_legacy_volume}};

}  // namespace

Rows volumes_rows() {
  return kRows;
}

Rows volume_extension_rows() {
  return kExtensionRows;
}

Rows legacy_rows() {
  return kLegacyRows;
}

}  // namespace varve::api::evs
