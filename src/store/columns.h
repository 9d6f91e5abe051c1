// The columns of each table of the block-storage side: in the order of the SELECT, named as the schema names them. Who
// uses the tables sees their classes only.
#pragma once

#include <string_view>

#include "model/backup.h"
#include "model/group.h"
#include "model/resources.h"
#include "model/type_extras.h"
#include "store/mapping.h"

namespace varve::store {

template <>
struct Codec<model::GroupStatus>
    : StatusCodec<model::GroupStatus, model::parse_group_status, model::GroupStatus::Error> {};

template <>
struct Codec<model::BackupStatus>
    : StatusCodec<model::BackupStatus, model::parse_backup_status, model::BackupStatus::Error> {};

template <>
struct Table<model::Volume> {
  static constexpr std::string_view name = "volumes";
  static void columns(auto& v, auto&& f) {
    f("id", v.id), f("project_id", v.project_id), f("user_id", v.user_id), f("name", v.name);
    f("description", v.description), f("status", v.status), f("size_gib", v.size_gib);
    f("volume_type_id", v.volume_type_id), f("availability_zone", v.availability_zone), f("bootable", v.bootable);
    f("multiattach", v.multiattach), f("read_only", v.read_only), f("read_only_set", v.read_only_set);
    f("snapshot_id", v.snapshot_id);
    f("source_volume_id", v.source_volume_id), f("metadata", v.metadata), f("tags", v.tags);
    f("pool", v.pool), f("migration_status", v.migration_status), f("group_id", v.group_id);
    f("encryption_key_id", v.encryption_key_id), f("image_metadata", v.image_metadata);
    f("dedicated_storage_id", v.dedicated_storage_id), f("enterprise_project_id", v.enterprise_project_id);
    f("created_at", v.created_at), f("updated_at", v.updated_at);
  }
};

template <>
struct Table<model::Snapshot> {
  static constexpr std::string_view name = "snapshots";
  static void columns(auto& s, auto&& f) {
    f("id", s.id), f("project_id", s.project_id), f("user_id", s.user_id), f("volume_id", s.volume_id);
    f("name", s.name), f("description", s.description), f("status", s.status), f("size_gib", s.size_gib);
    f("metadata", s.metadata), f("tags", s.tags), f("group_snapshot_id", s.group_snapshot_id),
        f("progress", s.progress), f("created_at", s.created_at), f("updated_at", s.updated_at);
  }
};

template <>
struct Table<model::Attachment> {
  static constexpr std::string_view name = "attachments";
  static void columns(auto& a, auto&& f) {
    f("id", a.id), f("project_id", a.project_id), f("user_id", a.user_id), f("volume_id", a.volume_id);
    f("snapshot_id", a.snapshot_id), f("instance_id", a.instance_id), f("host_name", a.host_name),
        f("mountpoint", a.mountpoint), f("mode", a.mode);
    f("status", a.status), f("connector", a.connector), f("connection", a.connection), f("created_at", a.created_at);
    f("updated_at", a.updated_at), f("attached_at", a.attached_at);
  }
};

template <>
struct Table<model::VolumeType> {
  static constexpr std::string_view name = "volume_types";
  static void columns(auto& t, auto&& f) {
    f("id", t.id), f("name", t.name), f("description", t.description), f("is_public", t.is_public);
    f("extra_specs", t.extra_specs), f("iops_base", t.qos.iops_base), f("iops_per_gib", t.qos.iops_per_gib);
    f("iops_max", t.qos.iops_max), f("iops_burst", t.qos.iops_burst), f("mibps_base", t.qos.mibps_base);
    f("mibps_per_100_gib", t.qos.mibps_per_100_gib), f("mibps_max", t.qos.mibps_max);
    f("qos_spec_id", t.qos_spec_id);
    f("created_at", t.created_at), f("updated_at", t.updated_at);
  }
};

template <>
struct Table<model::Task> {
  static constexpr std::string_view name = "tasks";
  static void columns(auto& t, auto&& f) {
    f("id", t.id), f("kind", t.kind), f("state", t.state), f("project_id", t.project_id), f("volume_id", t.volume_id);
    f("snapshot_id", t.snapshot_id), f("attachment_id", t.attachment_id), f("size_gib", t.size_gib);
    f("resume_status", t.resume_status), f("payload", t.payload), f("request_id", t.request_id);
    f("attempts", t.attempts), f("created_at", t.created_at);
    f("ended_at", t.ended_at), f("error", t.error), f("error_code", t.error_code), f("batch_id", t.batch_id);
    f("user_id", t.user_id), f("undo_left", t.undo_left);
  }
};

template <>
struct Table<model::ServiceState> {
  static constexpr std::string_view name = "service_states";
  static void columns(auto& s, auto&& f) {
    f("id", s.id), f("disabled", s.disabled), f("disabled_reason", s.disabled_reason), f("frozen", s.frozen);
  }
};

template <>
struct Table<model::Transfer> {
  static constexpr std::string_view name = "transfers";
  static void columns(auto& t, auto&& f) {
    f("id", t.id), f("project_id", t.project_id), f("volume_id", t.volume_id), f("name", t.name);
    f("key_hash", t.key_hash), f("no_snapshots", t.no_snapshots), f("created_at", t.created_at);
  }
};

template <>
struct Table<model::Message> {
  static constexpr std::string_view name = "messages";
  static void columns(auto& m, auto&& f) {
    f("id", m.id), f("project_id", m.project_id), f("event_id", m.event_id), f("level", m.level), f("text", m.text);
    f("resource_type", m.resource_type), f("resource_id", m.resource_id), f("request_id", m.request_id);
    f("created_at", m.created_at), f("expires_at", m.expires_at);
  }
};

template <>
struct Table<model::Damage> {
  static constexpr std::string_view name = "damages";
  static void columns(auto& d, auto&& f) {
    f("id", d.id), f("volume_id", d.volume_id), f("reason", d.reason), f("found_at", d.found_at);
  }
};

template <>
struct Table<model::GroupType> {
  static constexpr std::string_view name = "group_types";
  static void columns(auto& t, auto&& f) {
    f("id", t.id), f("name", t.name), f("description", t.description), f("is_public", t.is_public);
    f("specs", t.specs), f("created_at", t.created_at), f("updated_at", t.updated_at);
  }
};

template <>
struct Table<model::VolumeGroup> {
  static constexpr std::string_view name = "volume_groups";
  static void columns(auto& g, auto&& f) {
    f("id", g.id), f("project_id", g.project_id), f("user_id", g.user_id), f("group_type_id", g.group_type_id);
    f("volume_types", g.volume_types), f("availability_zone", g.availability_zone), f("name", g.name);
    f("description", g.description), f("status", g.status), f("group_snapshot_id", g.group_snapshot_id);
    f("source_group_id", g.source_group_id), f("created_at", g.created_at), f("updated_at", g.updated_at);
  }
};

template <>
struct Table<model::GroupSnapshot> {
  static constexpr std::string_view name = "group_snapshots";
  static void columns(auto& s, auto&& f) {
    f("id", s.id), f("project_id", s.project_id), f("user_id", s.user_id), f("group_id", s.group_id);
    f("group_type_id", s.group_type_id), f("name", s.name), f("description", s.description), f("status", s.status);
    f("created_at", s.created_at), f("updated_at", s.updated_at);
  }
};

template <>
struct Table<model::Backup> {
  static constexpr std::string_view name = "backups";
  static void columns(auto& b, auto&& f) {
    f("id", b.id), f("project_id", b.project_id), f("user_id", b.user_id), f("volume_id", b.volume_id);
    f("snapshot_id", b.snapshot_id), f("parent_id", b.parent_id), f("name", b.name), f("description", b.description);
    f("status", b.status), f("availability_zone", b.availability_zone), f("container", b.container);
    f("archive", b.archive), f("service", b.service), f("size_gib", b.size_gib), f("object_count", b.object_count);
    f("fail_reason", b.fail_reason), f("encryption_key_id", b.encryption_key_id), f("metadata", b.metadata);
    f("data_timestamp", b.data_timestamp), f("created_at", b.created_at), f("updated_at", b.updated_at);
  }
};

template <>
struct Table<model::QosSpec> {
  static constexpr std::string_view name = "qos_specs";
  static void columns(auto& q, auto&& f) {
    f("id", q.id), f("name", q.name), f("consumer", q.consumer), f("specs", q.specs), f("created_at", q.created_at);
    f("updated_at", q.updated_at);
  }
};

template <>
struct Table<model::TypeEncryption> {
  static constexpr std::string_view name = "type_encryptions";
  static void columns(auto& e, auto&& f) {
    f("id", e.id), f("volume_type_id", e.volume_type_id), f("provider", e.provider);
    f("control_location", e.control_location), f("cipher", e.cipher), f("key_size", e.key_size);
    f("created_at", e.created_at), f("updated_at", e.updated_at);
  }
};

}  // namespace varve::store
