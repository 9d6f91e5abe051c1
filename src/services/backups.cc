#include "services/backups.h"

#include "base/text.h"
#include "model/reason.h"
#include "services/states.h"
#include "services/volume_rules.h"

namespace varve::services {

namespace asio = boost::asio;
using model::Backup;
using model::BackupStatus;
using model::Snapshot;
using model::SnapshotStatus;
using model::Task;
using model::TaskKind;
using model::Volume;
using model::VolumeStatus;

Backups::Backups(store::Database& db, backends::Backend& backend, backups::ObjectStore& objects, keys::KeyManager& keys,
                 Placement& placement, Exports& exports, TaskRunner& tasks, Offload& calls, Quotas& quotas,
                 Clock& clock, Rng& rng, const Settings& settings)
    : db_(db),
      backend_(backend),
      objects_(objects),
      keys_(keys),
      placement_(placement),
      exports_(exports),
      tasks_(tasks),
      calls_(calls),
      quotas_(quotas),
      clock_(clock),
      rng_(rng),
      settings_(settings) {
  register_tasks();
}

namespace {

[[noreturn]] void invalid_backup(const std::string& why) {
  throw Error(ErrorCode::InvalidState, "Invalid backup: " + why);
}

// The snapshot that a backup makes for itself; EVS's name for it.
Snapshot helper_of(const Backup& backup, const Volume& volume) {
  Snapshot helper;
  helper.id = SnapshotId(backup.id.str());
  helper.project_id = volume.project_id;
  helper.user_id = backup.user_id;
  helper.volume_id = volume.id;
  helper.name = helper_name(helper.id);
  helper.status = SnapshotStatus::BackingUp;
  helper.size_gib = volume.size_gib;
  helper.created_at = backup.created_at;
  return helper;
}

void stand_on_latest(store::Transaction& tx, Backup& backup) {
  std::optional<Backup> latest = tx.backups().latest(backup.project_id, backup.volume_id);
  if (!latest) {
    invalid_backup("No backups available to do an incremental backup of volume " + backup.volume_id.str() + ".");
  }
  backup.parent_id = latest->id;
}

}  // namespace

asio::awaitable<Backup> Backups::create(model::Actor actor, BackupSpec spec) {
  Backup backup;
  backup.id = BackupId(rng_.uuid());
  backup.archive = backup.id.str();
  // Whose it is decides who asked, not whose the volume is: an administrator's backup is no parent of the owner's.
  backup.project_id = actor.project_id;
  backup.user_id = actor.user_id;
  backup.snapshot_id = spec.snapshot_id;
  backup.name = spec.name;
  backup.description = spec.description;
  backup.container = spec.container.value_or("volumebackups");
  backup.service = objects_.kind();
  backup.metadata = spec.metadata;
  backup.created_at = clock_.now();
  Task task = tasks_.make(TaskKind::BackupVolume, actor, spec.volume_id);
  task.payload = backup.id;
  co_await db_.write([&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), spec.volume_id);
    backup.volume_id = volume.id;
    backup.size_gib = volume.size_gib;
    backup.availability_zone = spec.availability_zone.value_or(volume.availability_zone);
    backup.encryption_key_id = volume.encryption_key_id;
    backup.data_timestamp = backup.created_at;
    if (spec.incremental) stand_on_latest(tx, backup);
    if (spec.snapshot_id) {
      Snapshot snapshot = tx.snapshots().get(actor.scope(), *spec.snapshot_id);
      if (snapshot.volume_id != volume.id) {
        invalid("Snapshot " + snapshot.id.str() + " is not one of volume " + volume.id.str() + ".");
      }
      if (snapshot.status != SnapshotStatus::Available) {
        throw Error(ErrorCode::InvalidState,
                    "Invalid snapshot: Snapshot to be backed up must be available, but the "
                    "current status is \"" +
                        std::string(to_string(snapshot.status)) + "\".");
      }
      backup.size_gib = snapshot.size_gib;
      backup.data_timestamp = snapshot.created_at;
      move_to(snapshot, SnapshotStatus::BackingUp);
      tx.snapshots().update(snapshot);
      task.snapshot_id = snapshot.id;
    } else {
      if (spec.force) {
        require_status(volume, {VolumeStatus::Available, VolumeStatus::InUse}, "back it up");
      } else {
        require_status(volume, {VolumeStatus::Available}, "back it up (in-use: with force)");
      }
      task.resume_status = volume.status;
      task.snapshot_id = helper_of(backup, volume).id;
      tx.snapshots().insert(helper_of(backup, volume));
      move_to(volume, VolumeStatus::BackingUp);
      tx.volumes().update(volume);
    }
    quotas_.require_backup(tx, backup.project_id, backup.size_gib);
    tx.backups().insert(backup);
    tx.tasks().insert(task);
  });
  co_return backup;
}

boost::asio::awaitable<BackupDetail> Backups::show(model::Actor actor, BackupId id) const {
  co_return co_await db_.read([&](store::Transaction& tx) {
    return BackupDetail{tx.backups().get(actor.scope(), id), tx.backups().has_dependents(id)};
  });
}

boost::asio::awaitable<model::Page<BackupDetail>> Backups::list(model::PageQuery query) const {
  co_return co_await db_.read([&](store::Transaction& tx) {
    if (query.marker) tx.backups().get(query.project_id, BackupId(*query.marker));
    model::Page<Backup> found = tx.backups().list(query);
    std::set<std::string> parents = tx.backups().parents(query.project_id);
    model::Page<BackupDetail> page;
    page.count = found.count;
    for (Backup& backup : found.rows) {
      bool dependents = parents.contains(backup.id.str());
      page.rows.push_back({std::move(backup), dependents});
    }
    return page;
  });
}

asio::awaitable<Backup> Backups::update(model::Actor actor, BackupId id, BackupChange change) {
  co_return co_await db_.write([&](store::Transaction& tx) {
    Backup backup = tx.backups().get(actor.scope(), id);
    if (change.name) backup.name = *change.name;
    if (change.description) backup.description = *change.description;
    if (change.metadata) backup.metadata = *change.metadata;
    backup.updated_at = clock_.now();
    tx.backups().update(backup);
    return backup;
  });
}

namespace {

bool has_task(store::Transaction& tx, const BackupId& id) {
  for (TaskKind kind :
       {TaskKind::BackupVolume, TaskKind::DeleteBackup, TaskKind::RestoreBackup, TaskKind::CreateVolumeFromBackup}) {
    if (!tx.tasks().live_with(kind, id).empty()) return true;
  }
  return false;
}

}  // namespace

asio::awaitable<void> Backups::remove(model::Actor actor, BackupId id, bool force) {
  Task task = tasks_.make(TaskKind::DeleteBackup, actor, VolumeId());
  task.payload = id;
  co_await db_.write([&](store::Transaction& tx) {
    Backup backup = tx.backups().get(actor.scope(), id);
    bool at_rest = backup.status == BackupStatus::Available || backup.status == BackupStatus::Error ||
                   backup.status == BackupStatus::ErrorDeleting;
    if (!at_rest && !(force && !has_task(tx, id))) {
      invalid_backup("Backup status must be available or error to delete it, but it is " +
                     std::string(to_string(backup.status)) + ".");
    }
    if (tx.backups().has_dependents(id)) invalid_backup("Incremental backups exist for this backup.");
    backup.status = BackupStatus::Deleting;
    backup.updated_at = clock_.now();
    tx.backups().update(backup);
    task.project_id = backup.project_id;
    tx.tasks().insert(task);
  });
}

asio::awaitable<void> Backups::reset_status(model::Actor actor, BackupId id, std::string status) {
  if (status != "available" && status != "error") {
    throw Error(ErrorCode::InvalidInput,
                "Invalid input for field/attribute status. Value: " + status + ". 'available' or 'error' is wanted");
  }
  co_await db_.write([&](store::Transaction& tx) {
    Backup backup = tx.backups().get(actor.scope(), id);
    if (has_task(tx, id)) {
      invalid_backup("Backup " + id.str() + " is " + std::string(to_string(backup.status)) + ": a task works on it.");
    }
    backup.status = *model::parse_backup_status(status);
    backup.updated_at = clock_.now();
    tx.backups().update(backup);
  });
}

Backup Backups::begin_restore(store::Transaction& tx, const model::Actor& actor, const BackupId& id) const {
  Backup backup = tx.backups().get(actor.scope(), id);
  if (backup.status != BackupStatus::Available) {
    throw Error(ErrorCode::InvalidState,
                "Invalid backup: Backup status must be available, but backup " + id.str() + " is " +
                    std::string(to_string(backup.status)) + ".",
                Reason::BackupNotUsable);
  }
  backup.status = BackupStatus::Restoring;
  tx.backups().update(backup);
  return backup;
}

asio::awaitable<Volume> Backups::restore(model::Actor actor, BackupId id, VolumeId volume_id) {
  Task task = tasks_.make(TaskKind::RestoreBackup, actor, volume_id);
  task.payload = id;
  co_return co_await db_.write([&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), volume_id);
    require_status(volume, {VolumeStatus::Available, VolumeStatus::ErrorRestoring}, "restore a backup into it");
    if (!tx.attachments().of_volume(volume_id).empty()) {
      throw Error(ErrorCode::InvalidState,
                  "Invalid volume: Volume " + volume_id.str() + " has attachments; detach it to restore a backup.");
    }
    Backup backup = begin_restore(tx, actor, id);
    if (volume.size_gib < backup.size_gib) {
      invalid("volume size " + std::to_string(volume.size_gib) + " is too small to restore backup of size " +
              std::to_string(backup.size_gib) + ".");
    }
    move_to(volume, VolumeStatus::RestoringBackup);
    volume.updated_at = clock_.now();
    tx.volumes().update(volume);
    task.project_id = volume.project_id;
    tx.tasks().insert(task);
    return volume;
  });
}

asio::awaitable<Backup> Backups::import_record(model::Actor actor, Backup record) {
  record.project_id = actor.project_id;
  record.user_id = actor.user_id;
  record.status = BackupStatus::Available;
  record.service = objects_.kind();
  auto look = [this, record] { return is_uuid(record.archive) && archive_of(record).manifest().has_value(); };
  bool there = co_await calls_.run(std::move(look));
  if (!there) {
    invalid("the object store has no objects of backup " + record.id.str() + " (" + record.archive + ").");
  }
  co_await db_.write([&](store::Transaction& tx) {
    std::optional<Backup> present = tx.backups().find(std::nullopt, record.id);
    if (present) {
      throw Error(ErrorCode::Conflict, "Invalid backup: Backup " + record.id.str() + " already exists.");
    }
    if (record.parent_id && !tx.backups().find(std::nullopt, *record.parent_id)) {
      invalid("backup " + record.id.str() + " stands on backup " + record.parent_id->str() +
              ": import that one first.");
    }
    quotas_.require_backup(tx, record.project_id, record.size_gib);
    record.updated_at = clock_.now();
    tx.backups().insert(record);
  });
  co_return record;
}

}  // namespace varve::services
