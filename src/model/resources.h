// What the service keeps: plain structs, one a table row. No I/O, no JSON, no rules.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/id.h"
#include "model/connection.h"
#include "model/metadata.h"
#include "model/payload.h"
#include "model/source.h"
#include "model/status.h"

namespace varve::model {

struct Volume {
  VolumeId id;
  ProjectId project_id;
  UserId user_id;
  std::optional<std::string> name;
  std::optional<std::string> description;
  VolumeStatus status = VolumeStatus::Creating;
  std::int64_t size_gib = 0;
  VolumeTypeId volume_type_id;
  std::string availability_zone;
  bool bootable = false;
  bool multiattach = false;
  bool read_only = false;
  bool read_only_set = false;                // the flag was set once, to whatever
  std::optional<SnapshotId> snapshot_id;     // the snapshot it was made from, which may be gone
  std::optional<VolumeId> source_volume_id;  // the volume it was made from, which may be gone
  Metadata metadata;
  Metadata tags;
  std::string pool;                             // where its bytes are; "": the default pool
  std::optional<std::string> migration_status;  // of the last migration to another pool: "success", "error"
  std::optional<GroupId> group_id;
  std::optional<KeyId> encryption_key_id;           // null: not encrypted
  Metadata image_metadata;                          // of the image it was made from, kept beside the user's
  std::optional<std::string> dedicated_storage_id;  // opaque, kept for its owner
  std::optional<std::string> enterprise_project_id;
  Timestamp created_at;
  std::optional<Timestamp> updated_at;
};

struct Snapshot {
  SnapshotId id;
  ProjectId project_id;
  UserId user_id;
  VolumeId volume_id;
  std::optional<std::string> name;
  std::optional<std::string> description;
  SnapshotStatus status = SnapshotStatus::Creating;
  std::int64_t size_gib = 0;  // of the volume, when the snapshot was taken
  Metadata metadata;
  Metadata tags;
  std::optional<GroupSnapshotId> group_snapshot_id;
  std::optional<std::string> progress;  // as an administrator set it; null: follows from the status
  Timestamp created_at;
  std::optional<Timestamp> updated_at;
};

// How an administrator has left a service; one that has no row is enabled.
struct ServiceState {
  std::string id;  // "cinder-volume", "cinder-scheduler"
  bool disabled = false;
  std::optional<std::string> disabled_reason;
  bool frozen = false;
};

// The bytes of a volume or snapshot cannot be read: since when, and what is wrong, in words for an operator.
struct Damage {
  std::string id;  // the volume's or the snapshot's
  VolumeId volume_id;
  std::string reason;
  Timestamp found_at;
};

// An offer of a volume to whoever knows the key: the volume is `awaiting-transfer` until it is taken or withdrawn.
struct Transfer {
  TransferId id;
  ProjectId project_id;  // who offers
  VolumeId volume_id;
  std::optional<std::string> name;
  std::string key_hash;  // the key itself is shown once and not kept
  bool no_snapshots = false;
  Timestamp created_at;
};

enum class AttachMode : std::uint8_t { ReadWrite, ReadOnly };

struct Attachment {
  AttachmentId id;
  ProjectId project_id;
  UserId user_id;
  VolumeId volume_id;
  std::optional<SnapshotId> snapshot_id;  // the bytes of this snapshot of the volume, read-only; null: the volume's own
  std::optional<std::string> instance_id;
  std::optional<std::string> host_name;
  std::optional<std::string> mountpoint;
  AttachMode mode = AttachMode::ReadWrite;
  AttachmentStatus status = AttachmentStatus::Reserved;
  std::optional<std::string> connector;  // the client's JSON object, opaque
  std::optional<Connection> connection;  // how the bytes are reached; null: no export is wanted
  Timestamp created_at;
  std::optional<Timestamp> updated_at;
  std::optional<Timestamp> attached_at;

  Source source() const { return {volume_id, snapshot_id}; }
};

// EVS: IOPS = min(max, base + per_gib * size), MiB/s alike (user guide, "Disk types and performance").
// All 0: no limit.
struct Qos {
  std::int64_t iops_base = 0;
  std::int64_t iops_per_gib = 0;
  std::int64_t iops_max = 0;
  std::int64_t iops_burst = 0;
  std::int64_t mibps_base = 0;
  std::int64_t mibps_per_100_gib = 0;
  std::int64_t mibps_max = 0;
};

struct QosLimits {
  std::int64_t iops = 0;        // 0: no limit
  std::int64_t iops_burst = 0;  // 0 or not above iops: no burst
  std::int64_t bytes_per_second = 0;
};

QosLimits qos_limits(const Qos& qos, std::int64_t size_gib);

struct VolumeType {
  VolumeTypeId id;
  std::string name;
  std::optional<std::string> description;
  bool is_public = true;
  Metadata extra_specs;
  Qos qos;
  std::optional<QosSpecId> qos_spec_id;  // its limits hold instead of qos, when the storage is to enforce them
  Timestamp created_at;
  std::optional<Timestamp> updated_at;
};

enum class TaskKind : std::uint8_t {
  CreateVolume,
  CreateVolumeFromImage,
  CreateVolumeFromBackup,
  DeleteVolume,
  ExtendVolume,
  RollbackVolume,
  RetypeVolume,
  UploadVolume,
  MigrateVolume,
  ReimageVolume,
  BackupVolume,
  RestoreBackup,
  DeleteBackup,
  ManageVolume,
  CreateSnapshot,
  DeleteSnapshot,
  ManageSnapshot,
  CreateGroupSnapshot,
  StartExport,
  StopExport,
};
enum class TaskState : std::uint8_t { Live, Done, Failed };

std::string_view to_string(TaskKind kind);
std::optional<TaskKind> parse_task_kind(std::string_view text);
std::string_view to_string(TaskState state);
std::optional<TaskState> parse_task_state(std::string_view text);
std::string_view to_string(AttachMode mode);
std::optional<AttachMode> parse_attach_mode(std::string_view text);

// Something that happened to a resource after its call was answered: a task failed, a storage daemon died.
struct Message {
  MessageId id;
  ProjectId project_id;
  std::string event_id;
  std::string level;          // "ERROR", "WARNING"
  std::string text;           // for the user: no paths, no internals
  std::string resource_type;  // "VOLUME", "VOLUME_SNAPSHOT"
  std::string resource_id;
  std::string request_id;
  Timestamp created_at;
  Timestamp expires_at;
};

// One piece of background work. A live task owns the transitional status of its resources and always ends it.
struct Task {
  TaskId id;
  TaskKind kind = TaskKind::CreateVolume;
  TaskState state = TaskState::Live;
  ProjectId project_id;
  VolumeId volume_id;
  std::optional<SnapshotId> snapshot_id;
  std::optional<AttachmentId> attachment_id;
  std::int64_t size_gib = 0;                  // extend: the size wanted
  std::optional<VolumeStatus> resume_status;  // the status its volume returns to
  Payload payload;
  UserId user_id;
  std::string request_id;
  std::int64_t attempts = 0;
  Timestamp created_at;
  std::optional<Timestamp> ended_at;
  std::optional<std::string> error;
  std::optional<std::string> error_code;  // to_string(ErrorCode)
  std::optional<JobId> batch_id;          // tasks of one call that made several volumes
  bool undo_left = false;                 // it failed, and what it left has not been taken away yet

  // What its kind says that it has. Of a row that is damaged: an empty one.
  template <class T>
  const T& with() const {
    static const T none;
    const T* is = std::get_if<T>(&payload);
    return is != nullptr ? *is : none;
  }

  // Of a task that begins or ends an export: what it serves.
  Source exported() const { return {volume_id, snapshot_id}; }
};

}  // namespace varve::model
