// The tables of groups, their types and their snapshots; the same rules as store/tables.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/group.h"
#include "store/tables.h"

namespace varve::store {

class GroupTypes {
 public:
  explicit GroupTypes(Connection& db) : db_(db) {}
  void insert(const model::GroupType& type);
  void update(const model::GroupType& type);
  void remove(const GroupTypeId& id);
  std::optional<model::GroupType> find(const GroupTypeId& id);
  std::optional<model::GroupType> find_by_name(const std::string& name);
  model::Page<model::GroupType> list(const model::PageQuery& query);
  bool in_use(const GroupTypeId& id);

 private:
  Connection& db_;
};

class VolumeGroups {
 public:
  explicit VolumeGroups(Connection& db) : db_(db) {}
  void insert(const model::VolumeGroup& group);
  void update(const model::VolumeGroup& group);
  void remove(const GroupId& id);
  std::optional<model::VolumeGroup> find(const Scope& scope, const GroupId& id);
  model::VolumeGroup get(const Scope& scope, const GroupId& id);
  model::Page<model::VolumeGroup> list(const model::PageQuery& query);
  std::vector<model::VolumeGroup> transitional();  // creating or deleting
  std::vector<model::Volume> volumes(const GroupId& id);
  std::int64_t count(const ProjectId& project);

 private:
  Connection& db_;
};

class GroupSnapshots {
 public:
  explicit GroupSnapshots(Connection& db) : db_(db) {}
  void insert(const model::GroupSnapshot& snapshot);
  void update(const model::GroupSnapshot& snapshot);
  void remove(const GroupSnapshotId& id);
  std::optional<model::GroupSnapshot> find(const Scope& scope, const GroupSnapshotId& id);
  model::GroupSnapshot get(const Scope& scope, const GroupSnapshotId& id);
  model::Page<model::GroupSnapshot> list(const model::PageQuery& query);
  std::vector<model::GroupSnapshot> transitional();
  std::vector<model::Snapshot> snapshots(const GroupSnapshotId& id);
  bool of_group(const GroupId& id);  // the group has one

 private:
  Connection& db_;
};

}  // namespace varve::store
