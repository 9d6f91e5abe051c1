#include "services/adoption.h"

#include <algorithm>

#include "services/states.h"
#include "services/volume_rules.h"

namespace varve::services {

namespace asio = boost::asio;
using backends::Found;
using model::Snapshot;
using model::SnapshotStatus;
using model::Task;
using model::TaskKind;
using model::Volume;
using model::VolumeStatus;

Adoption::Adoption(store::Database& db, backends::Backend& backend, Pools& pools, TaskRunner& tasks, Quotas& quotas,
                   VolumeTypes& types, Clock& clock, Rng& rng, const Settings& settings)
    : db_(db),
      backend_(backend),
      pools_(pools),
      tasks_(tasks),
      quotas_(quotas),
      types_(types),
      clock_(clock),
      rng_(rng),
      settings_(settings) {
  register_tasks();
}

asio::awaitable<std::vector<Manageable>> Adoption::all(std::string pool, bool snapshots) const {
  std::vector<Manageable> out;
  for (Found& found : co_await pools_.found(pool)) {
    if (found.snapshot.has_value() == snapshots) out.push_back({std::move(found), std::nullopt});
  }
  co_await db_.read([&](store::Transaction& tx) {
    for (Manageable& one : out) {
      if (snapshots && tx.snapshots().find(std::nullopt, *one.found.snapshot)) one.owner = one.found.snapshot->str();
      if (!snapshots && one.found.volume && tx.volumes().find(std::nullopt, *one.found.volume)) {
        one.owner = one.found.volume->str();
      }
    }
  });
  co_return out;
}

asio::awaitable<std::vector<Manageable>> Adoption::volumes(std::string pool) const {
  return all(pool, false);
}

asio::awaitable<std::vector<Manageable>> Adoption::snapshots(std::string pool) const {
  return all(pool, true);
}

asio::awaitable<Found> Adoption::require(std::string source, bool snapshot) const {
  for (const Pool& pool : pools_.all()) {
    std::vector<Manageable> present = co_await all(pool.name, snapshot);
    for (const Manageable& one : present) {
      if (one.found.name != source) continue;
      if (one.owner) invalid("Unable to manage existing: " + source + " is managed already, as " + *one.owner + ".");
      if (!one.found.refusal.empty()) invalid("Unable to manage existing: " + source + ": " + one.found.refusal + ".");
      co_return one.found;
    }
  }
  invalid("Unable to manage existing: there is no " + source.substr(0, 100) + ".");
}

asio::awaitable<Volume> Adoption::manage_volume(model::Actor actor, ManageVolumeSpec spec) {
  Found found = co_await require(spec.source, false);
  if (found.pool != spec.pool) invalid("Unable to manage existing: " + spec.source + " is in pool " + found.pool + ".");
  Volume volume;
  volume.id = VolumeId(rng_.uuid());
  volume.project_id = actor.project_id;
  volume.user_id = actor.user_id;
  volume.name = spec.name;
  volume.description = spec.description;
  volume.size_gib = found.size_gib;
  volume.pool = pools_.row_name(found.pool);
  volume.encryption_key_id = found.key;
  volume.bootable = spec.bootable;
  volume.metadata = spec.metadata;
  volume.availability_zone = spec.availability_zone.value_or(settings_.availability_zones.front());
  volume.created_at = clock_.now();
  if (std::ranges::find(settings_.availability_zones, volume.availability_zone) == settings_.availability_zones.end()) {
    throw Error(ErrorCode::InvalidInput, "Availability zone '" + volume.availability_zone + "' is invalid.");
  }
  if (volume.size_gib > settings_.max_volume_gib) {
    invalid("Unable to manage existing: " + spec.source + " is larger than the maximum of " +
            std::to_string(settings_.max_volume_gib) + " GiB.");
  }
  Task task = tasks_.make(TaskKind::ManageVolume, actor, volume.id);
  task.payload = model::FoundName{spec.source};
  co_await db_.write([&](store::Transaction& tx) {
    for (const Task& other : tx.tasks().live_with(TaskKind::ManageVolume, task.payload)) {
      invalid("Unable to manage existing: " + spec.source + " is being managed as " + other.volume_id.str() + ".");
    }
    model::VolumeType type = types_.resolve(tx, actor, spec.volume_type);
    if (!pools_.suits(found.pool, type)) invalid("type " + type.name + " is in another pool.");
    if (tx.type_encryptions().of_type(type.id) && !found.key) {
      invalid("type " + type.name + " is encrypted and " + spec.source +
              " is not: bytes are never encrypted afterwards.");
    }
    volume.volume_type_id = type.id;
    quotas_.require_volume(tx, actor.project_id, type, volume.size_gib);
    tx.volumes().insert(volume);
    tx.tasks().insert(task);
  });
  co_return volume;
}

asio::awaitable<Snapshot> Adoption::manage_snapshot(model::Actor actor, ManageSnapshotSpec spec) {
  require_user_name(spec.name);
  Found found = co_await require(spec.source, true);
  if (found.volume != spec.volume_id) invalid("Unable to manage existing: " + spec.source + " is of another volume.");
  Snapshot snapshot;
  snapshot.id = SnapshotId(rng_.uuid());
  snapshot.user_id = actor.user_id;
  snapshot.volume_id = spec.volume_id;
  snapshot.name = spec.name;
  snapshot.description = spec.description;
  snapshot.size_gib = found.size_gib;
  snapshot.metadata = spec.metadata;
  snapshot.created_at = clock_.now();
  Task task = tasks_.make(TaskKind::ManageSnapshot, actor, spec.volume_id);
  task.snapshot_id = snapshot.id;
  task.payload = *found.snapshot;
  co_await db_.write([&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), spec.volume_id);
    snapshot.project_id = task.project_id = volume.project_id;
    quotas_.require_snapshot(tx, volume.project_id, type_of(tx, volume), snapshot.size_gib);
    tx.snapshots().insert(snapshot);
    tx.tasks().insert(task);
  });
  co_return snapshot;
}

asio::awaitable<void> Adoption::unmanage_volume(model::Actor actor, VolumeId id) {
  co_await db_.write([&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), id);
    require_status(volume, {VolumeStatus::Available, VolumeStatus::Error}, "unmanage it");
    if (!tx.attachments().of_volume(id).empty()) {
      throw Error(ErrorCode::InvalidState, "Invalid volume: Volume " + id.str() + " has attachments.");
    }
    if (tx.snapshots().count_of_volume(id) > 0) {
      throw Error(ErrorCode::InvalidState, "Invalid volume: Volume " + id.str() + " still has dependent snapshots.");
    }
    if (volume.encryption_key_id) {
      throw Error(ErrorCode::InvalidInput, "Invalid volume: Unmanaging encrypted volumes is not supported.");
    }
    if (tx.tasks().works_on(id) || tx.tasks().volume_is_source(id)) {
      throw Error(ErrorCode::InvalidState, "Invalid volume: a task works on volume " + id.str() + ".");
    }
    tx.volumes().remove(id);
  });
}

asio::awaitable<void> Adoption::unmanage_snapshot(model::Actor actor, SnapshotId id) {
  co_await db_.write([&](store::Transaction& tx) {
    Snapshot snapshot = tx.snapshots().get(actor.scope(), id);
    if (snapshot.status != SnapshotStatus::Available && snapshot.status != SnapshotStatus::Error) {
      throw Error(ErrorCode::InvalidState, "Invalid snapshot: Snapshot " + id.str() +
                                               " status must be available or error to unmanage it, but it is " +
                                               std::string(to_string(snapshot.status)) + ".");
    }
    if (tx.tasks().works_on(id) || tx.tasks().snapshot_is_source(id) || !tx.attachments().of_snapshot(id).empty()) {
      throw Error(ErrorCode::InvalidState, "Invalid snapshot: Snapshot " + id.str() + " is in use.");
    }
    tx.snapshots().remove(id);
  });
}

void Adoption::register_tasks() {
  auto to = [this](store::Transaction& tx, const Task& task, VolumeStatus status) {
    end_at(tx, task, status, clock_.now());
  };
  TaskHandler volume;
  volume.run = [this](const Task& task) { backend_.adopt_volume(task.volume_id, task.with<model::FoundName>().name); };
  volume.finish = [to](store::Transaction& tx, const Task& task) { to(tx, task, VolumeStatus::Available); };
  volume.fail = [to](store::Transaction& tx, const Task& task, const Error&) { to(tx, task, VolumeStatus::Error); };
  tasks_.handle(TaskKind::ManageVolume, std::move(volume));

  auto end = [this](store::Transaction& tx, const Task& task, SnapshotStatus status) {
    std::optional<Snapshot> snapshot = tx.snapshots().find(std::nullopt, task.snapshot_id.value());
    if (!snapshot) return;
    move_to(*snapshot, status);
    snapshot->updated_at = clock_.now();
    tx.snapshots().update(*snapshot);
  };
  TaskHandler snapshot;
  snapshot.run = [this](const Task& task) {
    backend_.rename_snapshot(task.volume_id, task.with<SnapshotId>(), task.snapshot_id.value());
  };
  snapshot.finish = [end](store::Transaction& tx, const Task& task) { end(tx, task, SnapshotStatus::Available); };
  snapshot.fail = [end](store::Transaction& tx, const Task& task, const Error&) {
    end(tx, task, SnapshotStatus::Error);
  };
  tasks_.handle(TaskKind::ManageSnapshot, std::move(snapshot));
}

}  // namespace varve::services
