#include "services/reconciler.h"

#include <set>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "services/states.h"

namespace varve::services {

namespace {
// Merges that have to wait for a volume to be closed are tried again this often.
constexpr auto kIdle = std::chrono::seconds(5);
// A merge takes as long as its data is large: others go on beside it.
constexpr unsigned kMaintainers = 3;
}  // namespace

Reconciler::Reconciler(store::Database& db, backends::Backend& backend, Exports& exports, TaskRunner& tasks,
                       const Messages& messages, Clock& clock)
    : db_(db),
      backend_(backend),
      exports_(exports),
      damages_(db, backend, messages, clock),
      clock_(clock),
      restorer_(db, exports, tasks, messages, clock) {}

Reconciler::~Reconciler() {
  stop();
}

void Reconciler::start() {
  heal_orphans();
  backend_.on_lost(
      [this](const VolumeId& volume, const std::optional<SnapshotId>& snapshot) { restorer_.lost(volume, snapshot); });
  exports_.on_missing([this](const ExportSource& source) { restorer_.missing(source); });
  backend_.on_work([this] {
    {
      MutexLock lock(mutex_);
      ++work_;
    }
    wake_.notify_all();
  });
  restorer_.start();
  for (unsigned i = 0; i < kMaintainers; ++i) threads_.emplace_back("maintenance", [this, i] { run(i == 0); });
}

void Reconciler::stop() {
  backend_.on_lost({});
  backend_.on_work({});
  restorer_.stop();
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  damages_.stop();
  if (threads_.empty()) return;
  backend_.interrupt_maintenance();
  threads_.clear();
}

void Reconciler::run(bool first) {
  std::uint64_t seen = 0;
  for (;;) {
    {
      MutexLock lock(mutex_);
      // Nothing is removed before it is known which volumes have lost their manifests.
      wake_.wait(mutex_, [&]() VARVE_REQUIRES(mutex_) { return stopping_ || first || followed_; });
      wake_.wait_for(mutex_, kIdle, [&]() VARVE_REQUIRES(mutex_) { return stopping_ || work_ != seen; });
      if (stopping_) return;
      seen = work_;
    }
    try {
      if (first) {
        damages_.follow();
        MutexLock lock(mutex_);
        if (!std::exchange(followed_, true)) wake_.notify_all();
      }
      while (backend_.maintain()) {
        MutexLock lock(mutex_);
        if (stopping_) return;
      }
    } catch (const std::exception& fault) {
      log::error("storage maintenance failed and will be tried again", {{"error", fault.what()}});
    }
  }
}

int Reconciler::heal_orphans() {
  return db_.write_blocking([&](store::Transaction& tx) {
    int healed = 0;
    std::set<VolumeId> volumes;
    std::set<std::string> snapshots;
    std::set<std::string> targets;
    for (const model::Task& task : tx.tasks().live()) {
      volumes.insert(task.volume_id);
      if (task.snapshot_id) snapshots.insert(*task.snapshot_id);
      if (task.target) targets.insert(*task.target);
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
      if (snapshots.contains(snapshot.id.str()) || volumes.contains(snapshot.volume_id)) continue;
      if (snapshot.group_snapshot_id && targets.contains(*snapshot.group_snapshot_id)) continue;
      log::error("a snapshot was left without its task", {{"snapshot", snapshot.id}});
      snapshot.status = model::SnapshotStatus::Error;
      snapshot.updated_at = clock_.now();
      tx.snapshots().update(snapshot);
      ++healed;
    }
    for (model::Backup& backup : tx.backups().transitional()) {
      if (targets.contains(backup.id.str())) continue;
      log::error("a backup was left without its task", {{"backup", backup.id}});
      backup.status = model::BackupStatus::Error;
      backup.updated_at = clock_.now();
      tx.backups().update(backup);
      ++healed;
    }
    for (const model::VolumeGroup& group : tx.groups().transitional()) settle_group(tx, group.id.str(), clock_.now());
    for (model::GroupSnapshot& group : tx.group_snapshots().transitional()) {
      settle_group_snapshot(tx, group.id.str(), clock_.now());
      if (group.status != model::GroupStatus::Creating || targets.contains(group.id.str())) continue;
      group.status = model::GroupStatus::Error;
      tx.group_snapshots().update(group);
      ++healed;
    }
    return healed;
  });
}

}  // namespace varve::services
