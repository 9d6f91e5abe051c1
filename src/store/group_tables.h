// The tables of groups, their types and their snapshots; the same rules as store/tables.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/group.h"
#include "store/tables.h"

namespace varve::store {

template <>
struct Codec<model::GroupStatus>
    : StatusCodec<model::GroupStatus, model::parse_group_status, model::GroupStatus::Error> {};

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

class GroupTypes {
 public:
  explicit GroupTypes(Connection& db) : db_(db) {}
  void insert(const model::GroupType& type) { store::insert(db_, type); }
  void update(const model::GroupType& type) { store::update(db_, type); }
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
  void insert(const model::VolumeGroup& group) { store::insert(db_, group); }
  void update(const model::VolumeGroup& group) { store::update(db_, group); }
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
  void insert(const model::GroupSnapshot& snapshot) { store::insert(db_, snapshot); }
  void update(const model::GroupSnapshot& snapshot) { store::update(db_, snapshot); }
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
