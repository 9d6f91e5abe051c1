#include "api/common/resource_views.h"

#include <boost/json.hpp>

#include "base/digest.h"

namespace varve::api {

namespace {

json::array volume_links(const Call& call, const std::string& id) {
  std::string version = call.request->path.starts_with("/v2/") ? "/v2/" : "/v3/";
  std::string rest = call.actor.project_id.str() + "/volumes/" + id;
  return {json::object{{"rel", "self"}, {"href", call.base_url + version + rest}},
          json::object{{"rel", "bookmark"}, {"href", call.base_url + "/" + rest}}};
}

json::array volume_attachments(const Call& call, const services::VolumeDetail& detail) {
  json::array out;
  for (const model::Attachment& one : detail.attachments) {
    if (one.status != model::AttachmentStatus::Attached) continue;
    json::object entry{{"id", one.volume_id.str()},
                       {"attachment_id", one.id.str()},
                       {"volume_id", one.volume_id.str()},
                       {"server_id", text_or_null(one.instance_id)}};
    entry["host_name"] = call.actor.admin ? text_or_null(one.host_name) : json::value(nullptr);
    entry["device"] = text_or_null(one.mountpoint);
    entry["attached_at"] = time_or_null(one.attached_at);
    out.push_back(std::move(entry));
  }
  return out;
}

bool has_pair(const model::Metadata& metadata, std::string_view key, std::string_view value) {
  auto found = metadata.find(key);
  return found != metadata.end() && found->second == value;
}

// What Cinder calls visible admin metadata stands among the user's.
json::object visible_metadata(const services::VolumeDetail& detail) {
  json::object out = metadata_view(detail.volume.metadata);
  bool attached = false;
  for (const model::Attachment& one : detail.attachments) {
    if (one.status != model::AttachmentStatus::Attached) continue;
    attached = true;
    out["attached_mode"] = to_string(one.mode);
  }
  if (attached || detail.volume.read_only_set) out["readonly"] = detail.volume.read_only ? "True" : "False";
  return out;
}

}  // namespace

json::object volume_summary_view(const Call& call, const model::Volume& volume) {
  return {{"id", volume.id.str()}, {"name", text_or_null(volume.name)}, {"links", volume_links(call, volume.id.str())}};
}

json::object volume_view(const Call& call, const services::VolumeDetail& detail, const services::Settings& settings,
                         bool full) {
  const model::Volume& volume = detail.volume;
  json::object out;
  out.reserve(36);
  out["id"] = volume.id.str();
  out["status"] = to_string(volume.status);
  out["size"] = volume.size_gib;
  out["availability_zone"] = volume.availability_zone;
  out["created_at"] = format_time(volume.created_at);
  out["updated_at"] = time_or_null(volume.updated_at);
  out["name"] = text_or_null(volume.name);
  out["description"] = text_or_null(volume.description);
  out["volume_type"] = detail.type_name;
  out["snapshot_id"] = text_or_null(volume.snapshot_id);
  out["source_volid"] = text_or_null(volume.source_volume_id);
  out["metadata"] = full ? visible_metadata(detail) : metadata_view(volume.metadata);
  out["links"] = volume_links(call, volume.id.str());
  out["user_id"] = volume.user_id.str();
  out["bootable"] = volume.bootable ? "true" : "false";
  out["encrypted"] = volume.encryption_key_id.has_value();
  out["replication_status"] = nullptr;
  out["consistencygroup_id"] = detail.in_consistency_group ? text_or_null(volume.group_id) : json::value();
  out["multiattach"] = volume.multiattach;
  out["attachments"] = volume_attachments(call, detail);
  out["migration_status"] = text_or_null(volume.migration_status);
  if (call.version.at_least(13)) out["group_id"] = text_or_null(volume.group_id);
  if (call.version.at_least(21) && call.actor.admin) out["provider_id"] = nullptr;
  if (call.version.at_least(48)) {
    out["service_uuid"] = nullptr;
    out["shared_targets"] = call.version.at_least(69) ? json::value(nullptr) : json::value(false);
  }
  if (call.version.at_least(61) && call.actor.admin) out["cluster_name"] = nullptr;
  if (call.version.at_least(63)) out["volume_type_id"] = volume.volume_type_id.str();
  if (call.version.at_least(64) && volume.encryption_key_id) out["encryption_key_id"] = volume.encryption_key_id->str();
  if (call.version.at_least(65)) out["consumes_quota"] = true;
  if (full) {
    out["os-vol-tenant-attr:tenant_id"] = volume.project_id.str();
    out["os-vol-mig-status-attr:migstat"] = text_or_null(volume.migration_status);
    out["os-vol-mig-status-attr:name_id"] = nullptr;
    out["os-vol-host-attr:host"] = detail.host;
  }
  if (full && !volume.image_metadata.empty()) out["volume_image_metadata"] = metadata_view(volume.image_metadata);
  if (settings.profile == services::Profile::Evs) add_evs_fields(out, detail);
  return out;
}

void add_evs_fields(json::object& out, const services::VolumeDetail& detail) {
  const model::Volume& volume = detail.volume;
  bool scsi = has_pair(volume.metadata, "hw:passthrough", "true");
  out["replication_status"] = "disabled";
  out["shareable"] = volume.multiattach;
  bool from_image = !volume.image_metadata.empty();
  out["volume_image_metadata"] = from_image ? json::value(metadata_view(volume.image_metadata)) : json::value(nullptr);
  out["os-volume-replication:extended_status"] = nullptr;
  out["os-volume-replication:driver_data"] = nullptr;
  out["storage_cluster_id"] = nullptr;
  out["service_type"] = "EVS";
  out["tags"] = metadata_view(volume.tags);
  out["enterprise_project_id"] = text_or_null(volume.enterprise_project_id);
  out["dedicated_storage_id"] = text_or_null(volume.dedicated_storage_id);
  out["dedicated_storage_name"] = nullptr;
  // Only SCSI disks have a name that the world knows: NAA type 6, made from the id (user guide, "Device types").
  out["wwn"] = scsi ? json::value("6" + sha256_hex(volume.id.str()).substr(0, 31)) : json::value(nullptr);
  if (scsi) out["serial_number"] = volume.id.str().substr(0, 20);
}

json::object snapshot_view(const Call& call, const model::Snapshot& snapshot, SnapshotFields fields) {
  json::object out;
  out.reserve(14);
  out["id"] = snapshot.id.str();
  out["created_at"] = format_time(snapshot.created_at);
  out["updated_at"] = time_or_null(snapshot.updated_at);
  out["name"] = text_or_null(snapshot.name);
  out["description"] = text_or_null(snapshot.description);
  out["volume_id"] = snapshot.volume_id.str();
  out["status"] = to_string(snapshot.status);
  out["size"] = snapshot.size_gib;
  out["metadata"] = metadata_view(snapshot.metadata);
  if (fields == SnapshotFields::Listed) return out;
  if (call.version.at_least(14)) out["group_snapshot_id"] = text_or_null(snapshot.group_snapshot_id);
  if (call.version.at_least(41)) out["user_id"] = snapshot.user_id.str();
  if (call.version.at_least(65)) out["consumes_quota"] = true;
  if (fields == SnapshotFields::Extended) {
    out["os-extended-snapshot-attributes:project_id"] = snapshot.project_id.str();
    // A snapshot is there in full or not at all.
    bool pending =
        snapshot.status == model::SnapshotStatus::Creating || snapshot.status == model::SnapshotStatus::Error;
    out["os-extended-snapshot-attributes:progress"] = snapshot.progress.value_or(pending ? "0%" : "100%");
  }
  return out;
}

json::object attachment_view(const model::Attachment& attachment, bool detail) {
  json::object out{{"id", attachment.id.str()},
                   {"status", to_string(attachment.status)},
                   {"instance", text_or_null(attachment.instance_id)},
                   {"volume_id", attachment.volume_id.str()}};
  if (attachment.snapshot_id) out["snapshot_id"] = attachment.snapshot_id->str();
  if (!detail) return out;
  out["attached_at"] = attachment.attached_at ? json::value(format_time(*attachment.attached_at)) : json::value("");
  out["detached_at"] = "";
  out["attach_mode"] = to_string(attachment.mode);
  out["connection_info"] = attachment.connection ? connection_view(attachment, true) : json::object();
  return out;
}

json::object connection_view(const model::Attachment& attachment, bool flat) {
  json::object data{{"read_only", attachment.mode == model::AttachMode::ReadOnly},
                    {"access_mode", to_string(attachment.mode)},
                    {"volume_id", attachment.volume_id.str()},
                    {"discard", true},
                    {"encrypted", false},
                    {"qos_specs", nullptr}};
  const model::Connection& connection = attachment.connection.value();
  for (const auto& [name, value] : connection.fields) std::visit([&](const auto& is) { data[name] = is; }, value);
  if (!flat) return {{"driver_volume_type", connection.protocol}, {"data", std::move(data)}};
  data["driver_volume_type"] = connection.protocol;
  data["attachment_id"] = attachment.id.str();
  return data;
}

model::Metadata visible_specs(const Call& call, const model::VolumeType& type) {
  model::Metadata specs = type.extra_specs;
  std::erase_if(specs, [&](const auto& spec) {
    const std::string& key = spec.first;
    bool for_users = key == "RESKEY:availability_zones" || key == "multiattach" || key == "replication_enabled";
    return !call.actor.admin && !for_users;
  });
  return specs;
}

json::object type_view(const Call& call, const model::VolumeType& type, TypeFields fields) {
  json::object out{{"id", type.id.str()},
                   {"name", type.name},
                   {"is_public", type.is_public},
                   {"description", text_or_null(type.description)},
                   {"extra_specs", metadata_view(visible_specs(call, type))}};
  if (fields == TypeFields::Updated) return out;
  out["os-volume-type-access:is_public"] = type.is_public;
  if (fields == TypeFields::Shown) out["qos_specs_id"] = text_or_null(type.qos_spec_id);
  return out;
}

}  // namespace varve::api
