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
  Volume volume;
  store::Work read = [&](store::Transaction& tx) {
    volume = tx.volumes().get(std::nullopt, task.volume_id);
    require_schedulable(tx, backend_, volume);
  };
  db_.read(read);
  if (volume.snapshot_id) {
    backend_.clone_snapshot(volume.id, volume.size_gib, VolumeId(task.target.value()), SnapshotId(*volume.snapshot_id));
  } else if (volume.source_volume_id) {
    backend_.clone_volume(volume.id, volume.size_gib, VolumeId(*volume.source_volume_id));
  } else {
    backend_.create_volume(volume.id, volume.size_gib);
  }
}

void Volumes::run_extend(const Task& task) {
  std::function<void()> grow = [&] { backend_.extend_volume(task.volume_id, task.size_gib); };
  exports_.without_exports(task.volume_id, grow);
}

void Volumes::run_retype(const Task& task) {
  model::QosLimits qos;
  store::Work read = [&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(std::nullopt, task.volume_id);
    if (auto type = tx.volume_types().find(VolumeTypeId(task.target.value()))) {
      qos = model::qos_limits(type->qos, volume.size_gib);
    }
  };
  db_.read(read);
  backend_.set_qos(task.volume_id, qos);
}

void Volumes::register_tasks() {
  auto to = [this](store::Transaction& tx, const Task& task, VolumeStatus status) {
    end_at(tx, task, status, clock_.now());
  };
  auto release_snapshot = [](store::Transaction& tx, const Task& task) {
    std::optional<model::Snapshot> snapshot = tx.snapshots().find(std::nullopt, SnapshotId(task.snapshot_id.value()));
    if (!snapshot) return;
    move_to(*snapshot, model::SnapshotStatus::Available);
    tx.snapshots().update(*snapshot);
  };
  tasks_.handle(TaskKind::CreateVolume,
                {[this](const Task& task) { run_create(task); },
                 [to](store::Transaction& tx, const Task& task) { to(tx, task, VolumeStatus::Available); },
                 [to](store::Transaction& tx, const Task& task, const Error&) { to(tx, task, VolumeStatus::Error); }});

  tasks_.handle(TaskKind::DeleteVolume, {[this](const Task& task) { backend_.delete_volume(task.volume_id); },
                                         [](store::Transaction& tx, const Task& task) {
                                           for (const auto& snapshot : tx.snapshots().of_volume(task.volume_id))
                                             tx.snapshots().remove(snapshot.id);
                                           tx.volumes().remove(task.volume_id);
                                         },
                                         [to](store::Transaction& tx, const Task& task, const Error&) {
                                           for (auto& snapshot : tx.snapshots().of_volume(task.volume_id)) {
                                             move_to(snapshot, model::SnapshotStatus::ErrorDeleting);
                                             tx.snapshots().update(snapshot);
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
                {[this](const Task& task) { backend_.rollback(task.volume_id, SnapshotId(task.snapshot_id.value())); },
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
                                             volume.volume_type_id = VolumeTypeId(task.target.value());
                                           };
                                           resume_volume(tx, task, clock_.now(), retype);
                                         },
                                         [this](store::Transaction& tx, const Task& task, const Error&) {
                                           resume_volume(tx, task, clock_.now());
                                         }});
}

}  // namespace varve::services
