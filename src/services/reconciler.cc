#include "services/reconciler.h"

#include <set>

#include "base/error.h"
#include "base/log.h"
#include "services/states.h"

namespace varve::services {

namespace {
// Merges that have to wait for a volume to be closed are tried again this often.
constexpr auto kIdle = std::chrono::seconds(5);
}  // namespace

Reconciler::Reconciler(store::Database& db, backends::Backend& backend, Attachments& attachments,
                       const Messages& messages, Clock& clock)
    : db_(db), backend_(backend), attachments_(attachments), messages_(messages), clock_(clock) {}

Reconciler::~Reconciler() {
  stop();
}

void Reconciler::start() {
  heal_orphans();
  backend_.on_lost(
      [this](const VolumeId& volume, const std::optional<SnapshotId>& snapshot) { lost(volume, snapshot); });
  backend_.on_work([this] {
    {
      std::lock_guard lock(mutex_);
      work_ = true;
    }
    wake_.notify_one();
  });
  attachments_.restore_all();
  thread_ = std::thread([this] { run(); });
}

// On a thread of the storage daemon's connection, where nobody catches anything.
void Reconciler::lost(const VolumeId& volume, const std::optional<SnapshotId>& snapshot) {
  store::Work tell = [&](store::Transaction& tx) {
    if (auto row = tx.volumes().find(std::nullopt, volume)) messages_.storage_daemon_died(tx, *row, snapshot);
  };
  try {
    attachments_.restore_all();
    db_.write_blocking(tell);
  } catch (const std::exception& fault) {
    log::error("the loss of a storage daemon could not be dealt with; the next start does",
               {{"volume", volume}, {"error", fault.what()}});
  }
}

void Reconciler::stop() {
  backend_.on_lost({});
  backend_.on_work({});
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (!thread_.joinable()) return;
  backend_.interrupt_maintenance();
  thread_.join();
}

void Reconciler::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, kIdle, [&] { return stopping_ || work_; });
      if (stopping_) return;
      work_ = false;
    }
    try {
      while (backend_.maintain()) {
        std::lock_guard lock(mutex_);
        if (stopping_) return;
      }
    } catch (const std::exception& fault) {
      log::error("storage maintenance failed and will be tried again", {{"error", fault.what()}});
    }
  }
}

int Reconciler::heal_orphans() {
  int healed = 0;
  store::Work heal = [&](store::Transaction& tx) {
    healed = 0;
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
  };
  db_.write_blocking(heal);
  return healed;
}

}  // namespace varve::services
