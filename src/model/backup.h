// Copies of volumes outside of the storage that keeps the volumes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/id.h"
#include "model/metadata.h"
#include "model/status.h"

namespace varve::model {

struct Backup {
  BackupId id;
  ProjectId project_id;
  UserId user_id;
  VolumeId volume_id;                     // which may be gone
  std::optional<SnapshotId> snapshot_id;  // the snapshot it was made from, which may be gone
  std::optional<BackupId> parent_id;      // incremental: what is not in it is in that one
  std::optional<std::string> name;
  std::optional<std::string> description;
  BackupStatus status = BackupStatus::Creating;
  std::string availability_zone;
  std::string container;  // where in the object store
  std::string archive;    // what its objects are kept under; records that were imported may share one
  std::string service;    // the kind of object store: "directory", "s3"
  std::int64_t size_gib = 0;
  std::int64_t object_count = 0;
  std::optional<std::string> fail_reason;
  std::optional<KeyId> encryption_key_id;  // of the volume
  Metadata metadata;
  Timestamp data_timestamp;  // whose bytes it has: of the snapshot, or of the backup's beginning
  Timestamp created_at;
  std::optional<Timestamp> updated_at;
};

}  // namespace varve::model
