#include "store/group_tables.h"

#include "store/find.h"
#include "store/page_select.h"

namespace varve::store {

void GroupTypes::insert(const model::GroupType& type) {
  store::insert(db_, type);
}

void GroupTypes::update(const model::GroupType& type) {
  store::update(db_, type);
}

void GroupTypes::remove(const GroupTypeId& id) {
  run(db_, "DELETE FROM group_types WHERE id = :id", id);
}

std::optional<model::GroupType> GroupTypes::find(const GroupTypeId& id) {
  return select_one<model::GroupType>(db_, "WHERE id = :id", id);
}

std::optional<model::GroupType> GroupTypes::find_by_name(const std::string& name) {
  return select_one<model::GroupType>(db_, "WHERE name = :name", name);
}

model::Page<model::GroupType> GroupTypes::list(const model::PageQuery& query) {
  return select_page<model::GroupType>(db_, query);
}

bool GroupTypes::in_use(const GroupTypeId& id) {
  return !query<std::int64_t>(db_, "SELECT 1 FROM volume_groups WHERE group_type_id = :type LIMIT 1", id).empty();
}

void VolumeGroups::insert(const model::VolumeGroup& group) {
  store::insert(db_, group);
}

void VolumeGroups::update(const model::VolumeGroup& group) {
  store::update(db_, group);
}

void VolumeGroups::remove(const GroupId& id) {
  run(db_, "DELETE FROM volume_groups WHERE id = :id", id);
}

std::optional<model::VolumeGroup> VolumeGroups::find(const Scope& scope, const GroupId& id) {
  return find_scoped<model::VolumeGroup>(db_, scope, id);
}

model::VolumeGroup VolumeGroups::get(const Scope& scope, const GroupId& id) {
  std::optional<model::VolumeGroup> group = find(scope, id);
  if (!group) not_found("Group", id.str());
  return std::move(*group);
}

model::Page<model::VolumeGroup> VolumeGroups::list(const model::PageQuery& query) {
  return select_page<model::VolumeGroup>(db_, query);
}

std::vector<model::VolumeGroup> VolumeGroups::transitional() {
  return select<model::VolumeGroup>(db_, "WHERE status IN ('creating', 'deleting')");
}

std::vector<model::Volume> VolumeGroups::volumes(const GroupId& id) {
  return select<model::Volume>(db_, "WHERE group_id = :group_ ORDER BY created_at, id", id);
}

std::int64_t VolumeGroups::count(const ProjectId& project) {
  return std::get<0>(
      query<std::int64_t>(db_, "SELECT COUNT(*) FROM volume_groups WHERE project_id = :project", project).front());
}

void GroupSnapshots::insert(const model::GroupSnapshot& snapshot) {
  store::insert(db_, snapshot);
}

void GroupSnapshots::update(const model::GroupSnapshot& snapshot) {
  store::update(db_, snapshot);
}

void GroupSnapshots::remove(const GroupSnapshotId& id) {
  run(db_, "DELETE FROM group_snapshots WHERE id = :id", id);
}

std::optional<model::GroupSnapshot> GroupSnapshots::find(const Scope& scope, const GroupSnapshotId& id) {
  return find_scoped<model::GroupSnapshot>(db_, scope, id);
}

model::GroupSnapshot GroupSnapshots::get(const Scope& scope, const GroupSnapshotId& id) {
  std::optional<model::GroupSnapshot> snapshot = find(scope, id);
  if (!snapshot) not_found("GroupSnapshot", id.str());
  return std::move(*snapshot);
}

model::Page<model::GroupSnapshot> GroupSnapshots::list(const model::PageQuery& query) {
  return select_page<model::GroupSnapshot>(db_, query);
}

std::vector<model::GroupSnapshot> GroupSnapshots::transitional() {
  return select<model::GroupSnapshot>(db_, "WHERE status IN ('creating', 'deleting')");
}

std::vector<model::Snapshot> GroupSnapshots::snapshots(const GroupSnapshotId& id) {
  return select<model::Snapshot>(db_, "WHERE group_snapshot_id = :group_snapshot ORDER BY created_at, id", id);
}

bool GroupSnapshots::of_group(const GroupId& id) {
  return !query<std::int64_t>(db_, "SELECT 1 FROM group_snapshots WHERE group_id = :group_ LIMIT 1", id).empty();
}

}  // namespace varve::store
