// The background half of services/volumes.h: what each task of a volume does, and how it ends.

#include "services/states.h"
#include "services/volume_rules.h"
#include "services/volumes.h"

namespace varve::services {

using model::Task;
using model::TaskKind;
using model::Volume;
using model::VolumeStatus;

namespace {

// What a scheduler would look at: is the service enabled, and does the one pool have what the type's extra specs ask
// for (those without a scope, or with "capabilities:")? Keys that it knows nothing of are notes.
void require_schedulable(store::Transaction& tx, const backends::Backend& backend, const Volume& volume) {
  model::ServiceState service = tx.service_states().get("cinder-volume");
  if (service.disabled || service.frozen) {
    throw Error(ErrorCode::NoSpace, "the volume service is " + std::string(service.disabled ? "disabled" : "frozen"));
  }
  model::Metadata offered = backend.capabilities();
  for (const auto& [name, value] : type_of(tx, volume).extra_specs) {
    std::string_view key = name;
    constexpr std::string_view kScope = "capabilities:";
    if (key.starts_with(kScope)) key.remove_prefix(kScope.size());
    if (key.find(':') != std::string_view::npos) continue;
    auto have = offered.find(key);
    if (have != offered.end() && have->second != value) {
      throw Error(ErrorCode::NoSpace, "the type wants " + name + " = " + value + ", the storage has " + have->second);
    }
  }
}

}  // namespace

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

// Ends a transitional status with the one that the task remembers, unless the last attachment went meanwhile.
void Volumes::resume(store::Transaction& tx, const Task& task, const std::function<void(Volume&)>& change) {
  std::optional<Volume> volume = tx.volumes().find(std::nullopt, task.volume_id);
  if (!volume) return;
  bool in_use = task.resume_status == "in-use" && !tx.attachments().of_volume(volume->id).empty();
  move_to(*volume, in_use ? VolumeStatus::InUse : VolumeStatus::Available);
  change(*volume);
  volume->updated_at = clock_.now();
  tx.volumes().update(*volume);
}

void Volumes::register_tasks() {
  auto to = [this](store::Transaction& tx, const Task& task, VolumeStatus status) {
    std::optional<Volume> volume = tx.volumes().find(std::nullopt, task.volume_id);
    if (!volume) return;
    move_to(*volume, status);
    volume->updated_at = clock_.now();
    tx.volumes().update(*volume);
  };
  auto release_snapshot = [](store::Transaction& tx, const Task& task) {
    std::optional<model::Snapshot> snapshot = tx.snapshots().find(std::nullopt, SnapshotId(task.snapshot_id.value()));
    if (!snapshot) return;
    move_to(*snapshot, model::SnapshotStatus::Available);
    tx.snapshots().update(*snapshot);
  };
  const std::function<void(Volume&)> nothing = [](Volume&) {};

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
         resume(tx, task, grow);
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
                                           resume(tx, task, retype);
                                         },
                                         [this, nothing](store::Transaction& tx, const Task& task, const Error&) {
                                           resume(tx, task, nothing);
                                         }});
}

}  // namespace varve::services
