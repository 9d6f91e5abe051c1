#include "services/groups.h"

#include <algorithm>

#include "base/failpoint.h"
#include "base/text.h"
#include "services/states.h"
#include "services/volume_rules.h"

namespace varve::services {

namespace asio = boost::asio;
using model::GroupSnapshot;
using model::GroupStatus;
using model::Snapshot;
using model::SnapshotStatus;
using model::Task;
using model::TaskKind;
using model::Volume;
using model::VolumeGroup;
using model::VolumeStatus;

Groups::Groups(store::Database& db, backends::Backend& backend, Exports& exports, TaskRunner& tasks, Quotas& quotas,
               VolumeTypes& types, Volumes& volumes, Clock& clock, Rng& rng, const Settings& settings)
    : db_(db),
      backend_(backend),
      exports_(exports),
      tasks_(tasks),
      quotas_(quotas),
      types_(types),
      volumes_(volumes),
      clock_(clock),
      rng_(rng),
      settings_(settings) {
  register_tasks();
}

namespace {

[[noreturn]] void invalid_group(const std::string& why) {
  throw Error(ErrorCode::InvalidState, "Invalid group: " + why);
}

void require_available(const VolumeGroup& group, const char* to_do) {
  if (group.status == GroupStatus::Available) return;
  invalid_group("Group " + group.id.str() + " status must be available to " + to_do +
                ", but current status is: " + std::string(to_string(group.status)) + ".");
}

GroupStatus settable(const std::string& status) {
  std::optional<GroupStatus> to = model::parse_group_status(status);
  if (!to)
    throw Error(ErrorCode::InvalidInput, "Must specify a valid status: '" + status.substr(0, 100) + "' is none.");
  return *to;
}

}  // namespace

asio::awaitable<VolumeGroup> Groups::create(model::Actor actor, GroupSpec spec) {
  VolumeGroup group;
  group.id = GroupId(rng_.uuid());
  group.project_id = actor.project_id;
  group.user_id = actor.user_id;
  group.name = spec.name;
  group.description = spec.description;
  group.availability_zone = spec.availability_zone.value_or(settings_.availability_zones.front());
  group.status = GroupStatus::Available;
  group.created_at = clock_.now();
  if (std::ranges::find(settings_.availability_zones, group.availability_zone) == settings_.availability_zones.end()) {
    throw Error(ErrorCode::InvalidInput, "Availability zone '" + group.availability_zone + "' is invalid.");
  }
  if (spec.volume_types.empty()) invalid("volume_types must be provided to create group.");
  co_await db_.write([&](store::Transaction& tx) {
    std::optional<model::GroupType> type = tx.group_types().find(GroupTypeId(spec.group_type));
    if (!type) type = tx.group_types().find_by_name(spec.group_type);
    if (!type) throw Error(ErrorCode::NotFound, "Group type " + spec.group_type + " could not be found.");
    group.group_type_id = type->id;
    group.volume_types.clear();
    for (const std::string& wanted : spec.volume_types) {
      VolumeTypeId id = types_.resolve(tx, actor, wanted).id;
      if (!group.takes(id)) group.volume_types.push_back(id);
    }
    quotas_.require_group(tx, actor.project_id);
    tx.groups().insert(group);
  });
  co_return group;
}

asio::awaitable<VolumeGroup> Groups::copy(model::Actor actor, GroupCopySpec spec) {
  if (spec.group_snapshot_id.has_value() == spec.source_group_id.has_value()) {
    invalid("Either 'group_snapshot_id' or 'source_group_id' must be provided to create group from source, not both.");
  }
  co_return co_await db_.write([&](store::Transaction& tx) {
    GroupId source_id = spec.source_group_id.value_or(GroupId());
    std::vector<Snapshot> snapshots;
    if (spec.group_snapshot_id) {
      GroupSnapshot from = tx.group_snapshots().get(actor.project_id, *spec.group_snapshot_id);
      if (from.status != GroupStatus::Available) {
        throw Error(ErrorCode::InvalidState, "Invalid GroupSnapshot: " + from.id.str() + " must be available, but is " +
                                                 std::string(to_string(from.status)) + ".");
      }
      source_id = from.group_id;
      snapshots = tx.group_snapshots().snapshots(from.id);
    }
    VolumeGroup source = tx.groups().get(actor.project_id, source_id);
    if (spec.source_group_id) require_available(source, "copy it");
    VolumeGroup group = source;
    group.id = GroupId(rng_.uuid());
    group.user_id = actor.user_id;
    group.name = spec.name;
    group.description = spec.description;
    group.group_snapshot_id = spec.group_snapshot_id;
    group.source_group_id = spec.source_group_id;
    group.status = GroupStatus::Creating;
    group.created_at = clock_.now();
    group.updated_at.reset();
    std::vector<Volume> volumes;
    if (spec.source_group_id) volumes = tx.groups().volumes(source.id);
    if (snapshots.empty() && volumes.empty()) invalid("the source of the group has no volumes.");
    quotas_.require_group(tx, actor.project_id);
    tx.groups().insert(group);
    VolumeSpec volume;
    volume.group_id = group.id;
    for (const Snapshot& snapshot : snapshots) {
      volume.snapshot_id = snapshot.id;
      volumes_.begin_copy(tx, actor, volume);
    }
    for (const Volume& one : volumes) {
      volume.source_volume_id = one.id;
      volume.name = one.name;
      volumes_.begin_copy(tx, actor, volume);
    }
    return group;
  });
}

boost::asio::awaitable<GroupDetail> Groups::show(model::Actor actor, GroupId id) const {
  co_return co_await db_.read([&](store::Transaction& tx) {
    GroupDetail detail;
    detail.group = tx.groups().get(actor.scope(), id);
    for (const Volume& volume : tx.groups().volumes(id)) detail.volumes.push_back(volume.id);
    return detail;
  });
}

boost::asio::awaitable<model::Page<GroupDetail>> Groups::list(model::PageQuery query, bool with_volumes) const {
  co_return co_await db_.read([&](store::Transaction& tx) {
    if (query.marker) tx.groups().get(query.project_id, GroupId(*query.marker));
    model::Page<VolumeGroup> found = tx.groups().list(query);
    model::Page<GroupDetail> page;
    page.count = found.count;
    for (VolumeGroup& group : found.rows) {
      GroupDetail detail;
      if (with_volumes) {
        for (const Volume& volume : tx.groups().volumes(group.id)) detail.volumes.push_back(volume.id);
      }
      detail.group = std::move(group);
      page.rows.push_back(std::move(detail));
    }
    return page;
  });
}

asio::awaitable<void> Groups::update(model::Actor actor, GroupId id, GroupChange change) {
  co_await db_.write([&](store::Transaction& tx) {
    VolumeGroup group = tx.groups().get(actor.scope(), id);
    require_available(group, "update it");
    for (const std::string& one : change.remove_volumes) {
      Volume volume = tx.volumes().get(actor.scope(), VolumeId(one));
      if (volume.group_id != id) invalid("Volume " + one + " is not in group " + id.str() + ".");
      require_status(volume, {VolumeStatus::Available, VolumeStatus::InUse, VolumeStatus::Error}, "leave its group");
      volume.group_id.reset();
      tx.volumes().update(volume);
    }
    for (const std::string& one : change.add_volumes) {
      Volume volume = tx.volumes().get(actor.scope(), VolumeId(one));
      if (volume.group_id && *volume.group_id != id) {
        invalid("Volume " + one + " is already in group " + volume.group_id->str() + ".");
      }
      if (volume.project_id != group.project_id) {
        invalid("Volume " + one + " is of another project than group " + id.str() + ".");
      }
      if (!group.takes(volume.volume_type_id)) {
        invalid("Volume type " + volume.volume_type_id.str() + " of volume " + one + " is not supported by group " +
                id.str() + ".");
      }
      require_status(volume, {VolumeStatus::Available, VolumeStatus::InUse}, "join a group");
      volume.group_id = id;
      tx.volumes().update(volume);
    }
    if (change.name) group.name = *change.name;
    if (change.description) group.description = *change.description;
    group.updated_at = clock_.now();
    tx.groups().update(group);
  });
}

asio::awaitable<void> Groups::remove(model::Actor actor, GroupId id, bool with_volumes) {
  co_await db_.write([&](store::Transaction& tx) {
    VolumeGroup group = tx.groups().get(actor.scope(), id);
    if (group.status != GroupStatus::Available && group.status != GroupStatus::Error &&
        group.status != GroupStatus::ErrorDeleting) {
      invalid_group("Group status must be available or error to delete it, but current status is: " +
                    std::string(to_string(group.status)) + ".");
    }
    if (tx.group_snapshots().of_group(id)) invalid_group("Group " + id.str() + " still has group snapshots.");
    std::vector<Volume> volumes = tx.groups().volumes(id);
    if (volumes.empty()) {
      tx.groups().remove(id);
      return;
    }
    if (!with_volumes) {
      invalid_group("Group " + id.str() + " still contains volumes. The delete-volumes flag is required to delete it.");
    }
    group.status = GroupStatus::Deleting;
    group.updated_at = clock_.now();
    tx.groups().update(group);
    for (const Volume& volume : volumes) volumes_.begin_remove(tx, actor, volume.id, false, false);
  });
}

asio::awaitable<void> Groups::reset_status(model::Actor actor, GroupId id, std::string status) {
  GroupStatus to = settable(status);
  co_await db_.write([&](store::Transaction& tx) {
    VolumeGroup group = tx.groups().get(actor.scope(), id);
    group.status = to;
    group.updated_at = clock_.now();
    tx.groups().update(group);
  });
}

asio::awaitable<GroupSnapshot> Groups::create_snapshot(model::Actor actor, GroupSnapshotSpec spec) {
  require_user_name(spec.name);
  GroupSnapshot made;
  made.id = GroupSnapshotId(rng_.uuid());
  made.user_id = actor.user_id;
  made.group_id = spec.group_id;
  made.name = spec.name;
  made.description = spec.description;
  made.created_at = clock_.now();
  Task task = tasks_.make(TaskKind::CreateGroupSnapshot, actor, VolumeId());
  task.payload = made.id;
  co_await db_.write([&](store::Transaction& tx) {
    VolumeGroup group = tx.groups().get(actor.scope(), spec.group_id);
    require_available(group, "snapshot it");
    made.project_id = task.project_id = group.project_id;
    made.group_type_id = group.group_type_id;
    std::vector<Volume> volumes = tx.groups().volumes(group.id);
    if (volumes.empty()) invalid_group("Group " + group.id.str() + " is empty. No group snapshot will be created.");
    tx.group_snapshots().insert(made);
    for (const Volume& volume : volumes) {
      require_status(volume, {VolumeStatus::Available, VolumeStatus::InUse}, "snapshot its group");
      quotas_.require_snapshot(tx, volume.project_id, type_of(tx, volume), volume.size_gib);
      Snapshot snapshot;
      snapshot.id = SnapshotId(rng_.uuid());
      snapshot.project_id = volume.project_id;
      snapshot.user_id = actor.user_id;
      snapshot.volume_id = volume.id;
      snapshot.name = spec.name;
      snapshot.description = spec.description;
      snapshot.size_gib = volume.size_gib;
      snapshot.group_snapshot_id = made.id;
      snapshot.created_at = made.created_at;
      tx.snapshots().insert(snapshot);
    }
    tx.tasks().insert(task);
  });
  co_return made;
}

boost::asio::awaitable<GroupSnapshot> Groups::show_snapshot(model::Actor actor, GroupSnapshotId id) const {
  co_return co_await db_.read([&](store::Transaction& tx) { return tx.group_snapshots().get(actor.scope(), id); });
}

boost::asio::awaitable<model::Page<GroupSnapshot>> Groups::list_snapshots(model::PageQuery query) const {
  co_return co_await db_.read([&](store::Transaction& tx) {
    if (query.marker) tx.group_snapshots().get(query.project_id, GroupSnapshotId(*query.marker));
    return tx.group_snapshots().list(query);
  });
}

asio::awaitable<void> Groups::remove_snapshot(model::Actor actor, GroupSnapshotId id) {
  co_await db_.write([&](store::Transaction& tx) {
    GroupSnapshot group = tx.group_snapshots().get(actor.scope(), id);
    if (group.status != GroupStatus::Available && group.status != GroupStatus::Error &&
        group.status != GroupStatus::ErrorDeleting) {
      throw Error(ErrorCode::InvalidState,
                  "Invalid GroupSnapshot: GroupSnapshot status must be available or error to "
                  "delete it, but it is " +
                      std::string(to_string(group.status)) + ".");
    }
    std::vector<Snapshot> snapshots = tx.group_snapshots().snapshots(id);
    for (Snapshot& snapshot : snapshots) {
      if (tx.tasks().snapshot_is_source(snapshot.id) || !tx.attachments().of_snapshot(snapshot.id).empty()) {
        throw Error(ErrorCode::InvalidState,
                    "Invalid GroupSnapshot: its snapshot " + snapshot.id.str() + " is in use.");
      }
      if (snapshot.status != SnapshotStatus::Deleting && !model::may_move(snapshot.status, SnapshotStatus::Deleting)) {
        throw Error(ErrorCode::InvalidState, "Invalid GroupSnapshot: its snapshot " + snapshot.id.str() + " is " +
                                                 std::string(to_string(snapshot.status)) + ".");
      }
      move_to(snapshot, SnapshotStatus::Deleting);
      tx.snapshots().update(snapshot);
      Task task = tasks_.make(TaskKind::DeleteSnapshot, actor, snapshot.volume_id);
      task.snapshot_id = snapshot.id;
      task.project_id = snapshot.project_id;
      tx.tasks().insert(task);
    }
    if (snapshots.empty()) {
      tx.group_snapshots().remove(id);
      return;
    }
    group.status = GroupStatus::Deleting;
    group.updated_at = clock_.now();
    tx.group_snapshots().update(group);
  });
}

asio::awaitable<void> Groups::reset_snapshot_status(model::Actor actor, GroupSnapshotId id, std::string status) {
  GroupStatus to = settable(status);
  co_await db_.write([&](store::Transaction& tx) {
    GroupSnapshot group = tx.group_snapshots().get(actor.scope(), id);
    group.status = to;
    group.updated_at = clock_.now();
    tx.group_snapshots().update(group);
  });
}

// One point in time: no client of any of the volumes can write while the snapshots are taken. Those of an attempt that
// was cut off are of an earlier time: they go first.
void Groups::run_snapshot(const Task& task) {
  std::vector<Snapshot> snapshots = db_.read_blocking(
      [&](store::Transaction& tx) { return tx.group_snapshots().snapshots(task.with<GroupSnapshotId>()); });
  for (const Snapshot& snapshot : snapshots) backend_.delete_snapshot(snapshot.volume_id, snapshot.id);
  std::vector<VolumeId> volumes;
  for (const Snapshot& snapshot : snapshots) volumes.push_back(snapshot.volume_id);
  for (const VolumeId& volume : volumes) backend_.make_way(volume);  // while the clients are still served
  std::function<void()> take = [&] {
    for (const Snapshot& snapshot : snapshots) {
      backend_.create_snapshot(snapshot.volume_id, snapshot.id);
      FAILPOINT("group_snapshot.after_first");
    }
  };
  exports_.without_exports(std::move(volumes), take);
}

void Groups::end_snapshot(store::Transaction& tx, const Task& task, bool good) const {
  const GroupSnapshotId& id = task.with<GroupSnapshotId>();
  for (Snapshot& snapshot : tx.group_snapshots().snapshots(id)) {
    if (snapshot.status != SnapshotStatus::Creating) continue;
    move_to(snapshot, good ? SnapshotStatus::Available : SnapshotStatus::Error);
    snapshot.updated_at = clock_.now();
    tx.snapshots().update(snapshot);
  }
  std::optional<GroupSnapshot> group = tx.group_snapshots().find(std::nullopt, id);
  if (!group) return;
  group->status = good ? GroupStatus::Available : GroupStatus::Error;
  group->updated_at = clock_.now();
  tx.group_snapshots().update(*group);
}

void Groups::register_tasks() {
  TaskHandler snapshot;
  snapshot.run = [this](const Task& task) { run_snapshot(task); };
  snapshot.undo = [this](const Task& task) {
    std::vector<Snapshot> snapshots = db_.read_blocking(
        [&](store::Transaction& tx) { return tx.group_snapshots().snapshots(task.with<GroupSnapshotId>()); });
    for (const Snapshot& one : snapshots) {
      if (one.status != SnapshotStatus::Available) backend_.delete_snapshot(one.volume_id, one.id);
    }
  };
  snapshot.finish = [this](store::Transaction& tx, const Task& task) { end_snapshot(tx, task, true); };
  snapshot.fail = [this](store::Transaction& tx, const Task& task, const Error&) { end_snapshot(tx, task, false); };
  tasks_.handle(TaskKind::CreateGroupSnapshot, std::move(snapshot));
}

}  // namespace varve::services
