// The background half of services/volumes.h: what each task of a volume does, and how it ends.

#include "services/states.h"
#include "services/volume_rules.h"
#include "services/volumes.h"

namespace varve::services {

using model::Task;
using model::TaskKind;
using model::Volume;
using model::VolumeStatus;

void Volumes::run_create(const Task& task) {
  std::optional<std::string> source_pool;
  const auto* source = std::get_if<VolumeId>(&task.payload);
  if (source != nullptr) {
    source_pool =
        db_.read_blocking([&](store::Transaction& tx) { return tx.volumes().get(std::nullopt, *source).pool; });
  }
  Volume volume = placement_.schedule(task.volume_id, source_pool);
  if (volume.snapshot_id) {
    backend_.clone_snapshot(volume.id, volume.size_gib, task.with<VolumeId>(), *volume.snapshot_id, volume.pool);
  } else if (volume.source_volume_id) {
    backend_.make_way(*volume.source_volume_id);
    backend_.clone_volume(volume.id, volume.size_gib, *volume.source_volume_id, volume.pool);
  } else {
    placement_.create_empty(volume);
  }
}

void Volumes::run_extend(const Task& task) {
  std::function<void()> grow = [&] { backend_.extend_volume(task.volume_id, task.size_gib); };
  exports_.without_exports({task.volume_id}, grow);
}

// Multiattach is the new type's affair, unless the volume has it of its own.
void Volumes::give_type(store::Transaction& tx, const VolumeTypeId& id, Volume& volume) const {
  std::optional<model::VolumeType> type = tx.volume_types().find(id);
  bool multiattach = type && makes_multiattach(*type, settings_.profile);
  bool had = makes_multiattach(type_of(tx, volume), settings_.profile);
  if (multiattach || had) volume.multiattach = multiattach;
  volume.volume_type_id = id;
}

void Volumes::run_retype(const Task& task) {
  Volume volume;
  std::optional<model::VolumeType> type;
  std::vector<std::string> pools;
  model::QosLimits qos;
  db_.read_blocking([&](store::Transaction& tx) {
    volume = tx.volumes().get(std::nullopt, task.volume_id);
    type = tx.volume_types().find(task.with<VolumeTypeId>());
    if (!type) return;
    qos = limits_of(tx, *type, volume.size_gib);
    pools =
        pools_.suits(volume.pool, *type) ? std::vector{volume.pool} : placement_.candidates(tx, *type, std::nullopt);
  });
  if (!type) throw Error(ErrorCode::NotFound, "the volume type is gone");
  std::string pool = pools_.roomiest(pools);
  if (pool != volume.pool) move_to_pool(volume.id, pool);
  backend_.set_qos(task.volume_id, qos);
}

void Volumes::move_to_pool(const VolumeId& id, const std::string& pool) {
  backend_.migrate(id, pool);
  db_.write_blocking([&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(std::nullopt, id);
    volume.pool = pool;
    volume.migration_status = "success";
    tx.volumes().update(volume);
  });
}

void Volumes::run_delete(const Task& task) {
  std::optional<Volume> volume;
  std::set<SnapshotId> snapshots;
  db_.read_blocking([&](store::Transaction& tx) {
    volume = tx.volumes().find(std::nullopt, task.volume_id);
    for (const model::Snapshot& snapshot : tx.snapshots().of_volume(task.volume_id)) snapshots.insert(snapshot.id);
    // What failed tasks made to copy from has no row.
    for (const Task& failed : tx.tasks().to_undo(task.volume_id)) {
      snapshots.insert(SnapshotId(failed.id.str()));
      if (failed.snapshot_id) snapshots.insert(*failed.snapshot_id);
    }
  });
  backend_.delete_volume(task.volume_id, snapshots);
  if (volume && volume->encryption_key_id) placement_.drop_key(*volume->encryption_key_id, volume->id, BackupId());
}

void Volumes::register_tasks() {
  auto to = [this](store::Transaction& tx, const Task& task, VolumeStatus status) {
    end_at(tx, task, status, clock_.now());
    std::optional<Volume> volume = tx.volumes().find(std::nullopt, task.volume_id);
    if (volume) settle_group(tx, volume->group_id, clock_.now());
  };
  auto release_snapshot = [](store::Transaction& tx, const Task& task) {
    std::optional<model::Snapshot> snapshot = tx.snapshots().find(std::nullopt, task.snapshot_id.value());
    if (!snapshot) return;
    move_to(*snapshot, model::SnapshotStatus::Available);
    tx.snapshots().update(*snapshot);
  };
  tasks_.handle(TaskKind::CreateVolume,
                {[this](const Task& task) { run_create(task); },
                 [to](store::Transaction& tx, const Task& task) { to(tx, task, VolumeStatus::Available); },
                 [to](store::Transaction& tx, const Task& task, const Error&) { to(tx, task, VolumeStatus::Error); }});

  tasks_.handle(TaskKind::DeleteVolume, {[this](const Task& task) { run_delete(task); },
                                         [this](store::Transaction& tx, const Task& task) {
                                           for (const auto& snapshot : tx.snapshots().of_volume(task.volume_id)) {
                                             tx.snapshots().remove(snapshot.id);
                                             settle_group_snapshot(tx, snapshot.group_snapshot_id, clock_.now());
                                           }
                                           auto volume = tx.volumes().find(std::nullopt, task.volume_id);
                                           tx.volumes().remove(task.volume_id);
                                           if (volume) settle_group(tx, volume->group_id, clock_.now());
                                         },
                                         [this, to](store::Transaction& tx, const Task& task, const Error&) {
                                           for (auto& snapshot : tx.snapshots().of_volume(task.volume_id)) {
                                             move_to(snapshot, model::SnapshotStatus::ErrorDeleting);
                                             tx.snapshots().update(snapshot);
                                             settle_group_snapshot(tx, snapshot.group_snapshot_id, clock_.now());
                                           }
                                           to(tx, task, VolumeStatus::ErrorDeleting);
                                         }});

  tasks_.handle(
      TaskKind::ExtendVolume,
      {[this](const Task& task) { run_extend(task); },
       [this](store::Transaction& tx, const Task& task) {
         std::function<void(Volume&)> grow = [&](Volume& volume) { volume.size_gib = task.size_gib; };
         resume_volume(tx, task, clock_.now(), grow);
       },
       [to](store::Transaction& tx, const Task& task, const Error&) { to(tx, task, VolumeStatus::ErrorExtending); }});

  tasks_.handle(TaskKind::RollbackVolume,
                {[this](const Task& task) { backend_.rollback(task.volume_id, task.snapshot_id.value()); },
                 [to, release_snapshot](store::Transaction& tx, const Task& task) {
                   to(tx, task, VolumeStatus::Available);
                   release_snapshot(tx, task);
                 },
                 [to, release_snapshot](store::Transaction& tx, const Task& task, const Error&) {
                   to(tx, task, VolumeStatus::ErrorRollbacking);
                   release_snapshot(tx, task);
                 }});

  tasks_.handle(TaskKind::RetypeVolume, {[this](const Task& task) { run_retype(task); },
                                         [this](store::Transaction& tx, const Task& task) {
                                           std::function<void(Volume&)> retype = [&](Volume& volume) {
                                             give_type(tx, task.with<VolumeTypeId>(), volume);
                                           };
                                           resume_volume(tx, task, clock_.now(), retype);
                                         },
                                         [this](store::Transaction& tx, const Task& task, const Error&) {
                                           resume_volume(tx, task, clock_.now());
                                         }});

  tasks_.handle(TaskKind::MigrateVolume, {[this](const Task& task) {
                                            // An empty name is a pool's too.
                                            const auto* pool = std::get_if<model::PoolName>(&task.payload);
                                            if (pool == nullptr)
                                              throw Error(ErrorCode::Internal, "the row of the task is damaged");
                                            move_to_pool(task.volume_id, pool->name);
                                          },
                                          [](store::Transaction&, const Task&) {},
                                          [](store::Transaction& tx, const Task& task, const Error&) {
                                            std::optional<Volume> volume =
                                                tx.volumes().find(std::nullopt, task.volume_id);
                                            if (!volume) return;
                                            volume->migration_status = "error";
                                            tx.volumes().update(*volume);
                                          }});
}

}  // namespace varve::services
