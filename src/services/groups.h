// Groups of volumes, and snapshots of them at one point in time; the same rules as services/volumes.h. Volumes of a
// group are made, deleted and cloned by their own tasks; the last of these ends the group's status (states.h).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "model/actor.h"
#include "model/change.h"
#include "model/page.h"
#include "services/exports.h"
#include "services/quotas.h"
#include "services/tasks.h"
#include "services/volume_types.h"
#include "services/volumes.h"

namespace varve::services {

struct GroupSpec {
  std::optional<std::string> name;
  std::optional<std::string> description;
  std::string group_type;                 // id or name
  std::vector<std::string> volume_types;  // ids or names
  std::optional<std::string> availability_zone;
};

// From one of the two: copies of its volumes.
struct GroupCopySpec {
  std::optional<std::string> name;
  std::optional<std::string> description;
  std::optional<GroupSnapshotId> group_snapshot_id;
  std::optional<GroupId> source_group_id;
};

struct GroupChange {
  model::Change<std::string> name;
  model::Change<std::string> description;
  std::vector<std::string> add_volumes;
  std::vector<std::string> remove_volumes;
};

struct GroupDetail {
  model::VolumeGroup group;
  std::vector<VolumeId> volumes;  // when they were asked for
};

struct GroupSnapshotSpec {
  GroupId group_id;
  std::optional<std::string> name;
  std::optional<std::string> description;
};

class Groups {
 public:
  Groups(store::Database& db, backends::Backend& backend, Exports& exports, TaskRunner& tasks, Quotas& quotas,
         VolumeTypes& types, Volumes& volumes, Clock& clock, Rng& rng, const Settings& settings);

  boost::asio::awaitable<model::VolumeGroup> create(model::Actor actor, GroupSpec spec);
  boost::asio::awaitable<model::VolumeGroup> copy(model::Actor actor, GroupCopySpec spec);
  boost::asio::awaitable<GroupDetail> show(model::Actor actor, GroupId id) const;
  boost::asio::awaitable<model::Page<GroupDetail>> list(model::PageQuery query, bool with_volumes) const;
  boost::asio::awaitable<void> update(model::Actor actor, GroupId id, GroupChange change);
  boost::asio::awaitable<void> remove(model::Actor actor, GroupId id, bool with_volumes);
  boost::asio::awaitable<void> reset_status(model::Actor actor, GroupId id, std::string status);

  boost::asio::awaitable<model::GroupSnapshot> create_snapshot(model::Actor actor, GroupSnapshotSpec spec);
  boost::asio::awaitable<model::GroupSnapshot> show_snapshot(model::Actor actor, GroupSnapshotId id) const;
  boost::asio::awaitable<model::Page<model::GroupSnapshot>> list_snapshots(model::PageQuery query) const;
  boost::asio::awaitable<void> remove_snapshot(model::Actor actor, GroupSnapshotId id);
  boost::asio::awaitable<void> reset_snapshot_status(model::Actor actor, GroupSnapshotId id, std::string status);

 private:
  void register_tasks();
  void run_snapshot(const model::Task& task);
  void end_snapshot(store::Transaction& tx, const model::Task& task, bool good) const;

  store::Database& db_;
  backends::Backend& backend_;
  Exports& exports_;
  TaskRunner& tasks_;
  Quotas& quotas_;
  VolumeTypes& types_;
  Volumes& volumes_;
  Clock& clock_;
  Rng& rng_;
  const Settings& settings_;
};

}  // namespace varve::services
