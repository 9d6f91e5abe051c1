// Volumes that belong together, and snapshots of them at one point in time. Plain structs, one a table row.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "model/metadata.h"
#include "model/status.h"

namespace varve::model {

struct GroupType {
  GroupTypeId id;
  std::string name;
  std::optional<std::string> description;
  bool is_public = true;
  Metadata specs;
  Timestamp created_at;
  std::optional<Timestamp> updated_at;
};

struct VolumeGroup {
  GroupId id;
  ProjectId project_id;
  UserId user_id;
  GroupTypeId group_type_id;
  std::vector<VolumeTypeId> volume_types;
  std::string availability_zone;
  std::optional<std::string> name;
  std::optional<std::string> description;
  GroupStatus status = GroupStatus::Creating;
  std::optional<GroupSnapshotId> group_snapshot_id;  // what it was made from
  std::optional<GroupId> source_group_id;
  Timestamp created_at;
  std::optional<Timestamp> updated_at;

  bool takes(const VolumeTypeId& type) const { return std::ranges::find(volume_types, type) != volume_types.end(); }
};

struct GroupSnapshot {
  GroupSnapshotId id;
  ProjectId project_id;
  UserId user_id;
  GroupId group_id;
  GroupTypeId group_type_id;
  std::optional<std::string> name;
  std::optional<std::string> description;
  GroupStatus status = GroupStatus::Creating;
  Timestamp created_at;
  std::optional<Timestamp> updated_at;
};

}  // namespace varve::model
