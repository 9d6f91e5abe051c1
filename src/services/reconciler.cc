#include "services/reconciler.h"

#include <set>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "services/states.h"

namespace varve::services {

namespace {
// Merges that have to wait for a volume to be closed are tried again this often.
constexpr Scheduler::Rest kIdle = std::chrono::seconds(5);
// A merge takes as long as its data is large: others go on beside it.
constexpr unsigned kMaintainers = 3;
}  // namespace

Reconciler::Reconciler(store::Database& db, backends::Backend& backend, Exports& exports, TaskRunner& tasks,
                       const Messages& messages, Clock& clock, Scheduler& scheduler)
    : db_(db),
      backend_(backend),
      exports_(exports),
      tasks_(tasks),
      damages_(db, backend, messages, clock),
      clock_(clock),
      scheduler_(scheduler),
      restorer_(db, exports, tasks, messages, clock, scheduler) {}

Reconciler::~Reconciler() {
  stop();
}

void Reconciler::start() {
  heal_orphans();
  restorer_.start();
  backend_.on_lost([this](const model::Source& source) { restorer_.lost(source); });
  exports_.on_missing([this](const model::Source& source) { restorer_.missing(source); });
  backend_.on_work([this] {
    MutexLock lock(mutex_);
    wake_all();
  });
  MutexLock lock(mutex_);
  for (unsigned i = 0; i < kMaintainers; ++i) {
    loops_.push_back(scheduler_.loop("maintenance", [this, first = i == 0] { return maintain(first); }));
  }
}

void Reconciler::stop() {
  backend_.on_lost({});
  backend_.on_work({});
  restorer_.stop();
  std::vector<std::unique_ptr<Loop>> loops;  // they end after the lock is let go of
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    loops.swap(loops_);
  }
  damages_.stop();
  if (!loops.empty()) backend_.interrupt_maintenance();
}

void Reconciler::wake_all() {
  for (const auto& loop : loops_) loop->wake();
}

// One piece of work. Nothing is removed before it is known which volumes have lost their manifests.
Scheduler::Rest Reconciler::maintain(bool first) {
  try {
    if (first) damages_.follow();
    {
      MutexLock lock(mutex_);
      if (stopping_ || (!first && !followed_)) return Scheduler::kUntilWoken;
      if (!std::exchange(followed_, true)) wake_all();
    }
    return backend_.maintain() ? Scheduler::Rest(0) : kIdle;
  } catch (const std::exception& fault) {
    log::error("storage maintenance failed and will be tried again", {{"error", fault.what()}});
    return kIdle;
  }
}

void Reconciler::remove_helper(store::Transaction& tx, model::Snapshot snapshot) {
  log::warning("the snapshot that a backup was made from goes", {{"snapshot", snapshot.id}});
  model::Actor owner{snapshot.user_id, snapshot.project_id, false, "", ""};
  model::Task task = tasks_.make(model::TaskKind::DeleteSnapshot, owner, snapshot.volume_id);
  task.snapshot_id = snapshot.id;
  task.project_id = snapshot.project_id;
  snapshot.status = model::SnapshotStatus::Deleting;
  tx.snapshots().update(snapshot);
  tx.tasks().insert(task);
}

int Reconciler::heal_orphans() {
  return db_.write_blocking([&](store::Transaction& tx) {
    int healed = 0;
    std::set<VolumeId> volumes;
    std::set<SnapshotId> snapshots;
    std::set<model::Payload> payloads;
    for (const model::Task& task : tx.tasks().live()) {
      volumes.insert(task.volume_id);
      if (task.snapshot_id) snapshots.insert(*task.snapshot_id);
      payloads.insert(task.payload);
    }
    for (model::Volume& volume : tx.volumes().transitional()) {
      if (volumes.contains(volume.id)) continue;
      log::error("a volume was left without its task", {{"volume", volume.id}, {"status", to_string(volume.status)}});
      volume.status = model::VolumeStatus::Error;
      volume.updated_at = clock_.now();
      tx.volumes().update(volume);
      ++healed;
    }
    for (model::Snapshot& snapshot : tx.snapshots().transitional()) {
      if (snapshots.contains(snapshot.id) || volumes.contains(snapshot.volume_id)) continue;
      if (snapshot.group_snapshot_id && payloads.contains(*snapshot.group_snapshot_id)) continue;
      ++healed;
      if (is_helper(snapshot.id, snapshot.name.value_or(""))) {
        remove_helper(tx, std::move(snapshot));
        continue;
      }
      log::error("a snapshot was left without its task", {{"snapshot", snapshot.id}});
      snapshot.status = model::SnapshotStatus::Error;
      snapshot.updated_at = clock_.now();
      tx.snapshots().update(snapshot);
    }
    for (model::Backup& backup : tx.backups().transitional()) {
      if (payloads.contains(backup.id)) continue;
      log::error("a backup was left without its task", {{"backup", backup.id}});
      backup.status = model::BackupStatus::Error;
      backup.updated_at = clock_.now();
      tx.backups().update(backup);
      ++healed;
    }
    for (const model::VolumeGroup& group : tx.groups().transitional()) settle_group(tx, group.id, clock_.now());
    for (model::GroupSnapshot& group : tx.group_snapshots().transitional()) {
      settle_group_snapshot(tx, group.id, clock_.now());
      if (group.status != model::GroupStatus::Creating || payloads.contains(group.id)) continue;
      group.status = model::GroupStatus::Error;
      tx.group_snapshots().update(group);
      ++healed;
    }
    return healed;
  });
}

}  // namespace varve::services
