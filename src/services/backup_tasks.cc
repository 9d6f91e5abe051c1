// The background half of services/backups.h: what each task of a backup does, and how it ends.

#include <boost/json.hpp>

#include "base/digest.h"
#include "base/failpoint.h"
#include "blocks/device.h"
#include "model/reason.h"
#include "services/backups.h"
#include "services/states.h"
#include "services/volume_rules.h"
#include "store/mapping.h"

namespace varve::services {

namespace json = boost::json;
using backups::Archive;
using model::Backup;
using model::BackupStatus;
using model::SnapshotStatus;
using model::Task;
using model::TaskKind;
using model::Volume;
using model::VolumeStatus;

std::string encode(const BackedUpVolume& volume) {
  auto text = [](const std::optional<std::string>& value) {
    return value ? json::value(*value) : json::value(nullptr);
  };
  json::object out{{"name", text(volume.name)},
                   {"description", text(volume.description)},
                   {"type", volume.type_name},
                   {"bootable", volume.bootable},
                   {"metadata", store::encode_metadata(volume.metadata)},
                   {"image_metadata", store::encode_metadata(volume.image_metadata)}};
  return json::serialize(out);
}

BackedUpVolume decode_volume(const std::string& text) {
  BackedUpVolume volume;
  try {
    json::object in = json::parse(text).as_object();
    auto optional = [&](const char* key) {
      const json::value& value = in.at(key);
      return value.is_null() ? std::nullopt : std::optional<std::string>(value.as_string());
    };
    volume.name = optional("name");
    volume.description = optional("description");
    volume.type_name = in.at("type").as_string();
    volume.bootable = in.at("bootable").as_bool();
    volume.metadata = store::decode_metadata(std::string(in.at("metadata").as_string()));
    volume.image_metadata = store::decode_metadata(std::string(in.at("image_metadata").as_string()));
  } catch (const boost::system::system_error& fault) {
    throw Error(ErrorCode::BackendFailed, std::string("a backup does not describe its volume: ") + fault.what());
  }
  return volume;
}

Archive::Cancelled Backups::cancelled() const {
  return [this] { return tasks_.stopping(); };
}

// The objects of an encrypted volume's backup are sealed with a key of that volume's.
Archive Backups::archive_of(const Backup& backup) const {
  std::string key;
  if (backup.encryption_key_id) {
    key = from_hex(hmac_sha256_hex(keys_.secret(*backup.encryption_key_id), "varve backup"));
  }
  return Archive(objects_, backup.archive, key, rng_);
}

boost::asio::awaitable<BackedUpVolume> Backups::described(model::Actor actor, BackupId id) {
  std::optional<Backup> found =
      co_await db_.read([&](store::Transaction& tx) { return tx.backups().find(actor.scope(), id); });
  if (!found) throw Error(ErrorCode::NotFound, "Backup " + id.str() + " could not be found.", Reason::InvalidBackupId);
  auto read = [this, backup = *found] { return decode_volume(archive_of(backup).required_manifest().volume); };
  co_return co_await calls_.run(std::move(read));
}

Backup Backups::backup_of(const Task& task) const {
  return db_.read_blocking(
      [&](store::Transaction& tx) { return tx.backups().get(std::nullopt, task.with<BackupId>()); });
}

void Backups::run_backup(const Task& task) {
  Backup backup;
  BackedUpVolume described;
  std::optional<Backup> parent;
  db_.read_blocking([&](store::Transaction& tx) {
    backup = tx.backups().get(std::nullopt, task.with<BackupId>());
    Volume volume = tx.volumes().get(std::nullopt, task.volume_id);
    described = {volume.name,     volume.description, type_of(tx, volume).name,
                 volume.bootable, volume.metadata,    volume.image_metadata};
    if (backup.parent_id) parent = tx.backups().get(std::nullopt, *backup.parent_id);
  });
  SnapshotId source(task.snapshot_id.value());
  bool own_snapshot = !backup.snapshot_id;
  Archive archive = archive_of(backup);
  // A run that was cut off may have ended the archive.
  std::optional<backups::Manifest> done = archive.manifest();
  if (!done) {
    if (own_snapshot) {
      backend_.make_way(task.volume_id);
      backend_.create_snapshot(task.volume_id, source);
    }
    FAILPOINT("backup.after_helper");
    std::optional<backups::Manifest> before;
    if (parent) before = archive_of(*parent).required_manifest();
    Exports::Use copy = [&](const std::string& uri, const std::function<bool()>& cut_off) {
      blocks::Device device(uri, [&] { return tasks_.stopping() || cut_off(); });
      done = archive.write(device, encode(described), before, cancelled());
    };
    exports_.borrow({task.volume_id, source}, AttachmentId(task.id.str()), true, copy);
    FAILPOINT("backup.after_archive");
  }
  if (own_snapshot) {
    exports_.release({task.volume_id, source}, AttachmentId(task.id.str()));
    backend_.delete_snapshot(task.volume_id, source);
  }
  db_.write_blocking([&](store::Transaction& tx) {
    Backup present = tx.backups().get(std::nullopt, backup.id);  // it may have been renamed meanwhile
    present.object_count = std::ranges::count(done->chunks, 0, &backups::Chunk::archive);
    tx.backups().update(present);
  });
}

void Backups::undo_backup(const Task& task) {
  SnapshotId source(task.snapshot_id.value());
  std::optional<Backup> backup;
  bool own_snapshot = false;
  db_.read_blocking([&](store::Transaction& tx) {
    backup = tx.backups().find(std::nullopt, task.with<BackupId>());
    // Its row is gone once the task has failed, and the backup may be.
    own_snapshot = backup ? !backup->snapshot_id : !tx.snapshots().find(std::nullopt, source);
  });
  exports_.release({task.volume_id, source}, AttachmentId(task.id.str()));
  if (own_snapshot) backend_.delete_snapshot(task.volume_id, source);
  // Who set its status thinks that it is whole.
  if (backup && backup->status != BackupStatus::Available) archive_of(*backup).remove();
}

// The volume, or the snapshot that was asked for, is as it was before; the helper goes.
void Backups::release_source(store::Transaction& tx, const Task& task) const {
  Backup backup = tx.backups().get(std::nullopt, task.with<BackupId>());
  std::optional<model::Snapshot> snapshot = tx.snapshots().find(std::nullopt, task.snapshot_id.value());
  if (!backup.snapshot_id) {
    if (snapshot) tx.snapshots().remove(snapshot->id);
    resume_volume(tx, task, clock_.now());
    return;
  }
  if (!snapshot) return;
  move_to(*snapshot, SnapshotStatus::Available);
  tx.snapshots().update(*snapshot);
}

// Before the volume is said to be restored into: one of which a restoration has failed can be restored into again.
void Backups::make_empty(const Task& task) {
  placement_.schedule(task.volume_id, std::nullopt);
  Volume volume =
      db_.read_blocking([&](store::Transaction& tx) { return tx.volumes().get(std::nullopt, task.volume_id); });
  placement_.create_empty(volume);
}

void Backups::run_restore(const Task& task) {
  Backup backup = backup_of(task);
  bool fresh = task.kind == TaskKind::CreateVolumeFromBackup;
  if (fresh) make_empty(task);
  db_.write_blocking([&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(std::nullopt, task.volume_id);
    move_to(volume, VolumeStatus::RestoringBackup);
    tx.volumes().update(volume);
  });
  FAILPOINT("backup.before_restore");
  Exports::Use fill = [&](const std::string& uri, const std::function<bool()>& cut_off) {
    blocks::Device device(uri, [&] { return tasks_.stopping() || cut_off(); });
    // A volume of an earlier attempt may hold a part already; what is written is the same.
    archive_of(backup).restore(device, fresh && task.attempts <= 1, cancelled());
  };
  exports_.borrow({task.volume_id, std::nullopt}, AttachmentId(task.id.str()), false, fill);
  FAILPOINT("backup.after_restore");
}

void Backups::end_restore(store::Transaction& tx, const Task& task, VolumeStatus status) const {
  end_at(tx, task, status, clock_.now());
  std::optional<Backup> backup = tx.backups().find(std::nullopt, task.with<BackupId>());
  if (!backup) return;
  backup->status = BackupStatus::Available;
  tx.backups().update(*backup);
}

// Objects that an imported record shares stay.
void Backups::run_remove(const Task& task) {
  Backup backup = backup_of(task);
  bool shared = db_.read_blocking([&](store::Transaction& tx) { return tx.backups().shares_archive(backup); });
  if (!shared) Archive(objects_, backup.archive, "", rng_).remove();
  FAILPOINT("backup.after_remove");
  if (backup.encryption_key_id) placement_.drop_key(*backup.encryption_key_id, VolumeId(), backup.id);
}

void Backups::register_tasks() {
  auto set = [this](store::Transaction& tx, const Task& task, BackupStatus status, const Error* fault) {
    Backup backup = tx.backups().get(std::nullopt, task.with<BackupId>());
    backup.status = status;
    backup.updated_at = clock_.now();
    if (fault != nullptr) backup.fail_reason = fault->message();
    tx.backups().update(backup);
  };
  TaskHandler backup;
  backup.run = [this](const Task& task) { run_backup(task); };
  backup.undo = [this](const Task& task) { undo_backup(task); };
  backup.finish = [this, set](store::Transaction& tx, const Task& task) {
    release_source(tx, task);
    set(tx, task, BackupStatus::Available, nullptr);
  };
  backup.fail = [this, set](store::Transaction& tx, const Task& task, const Error& fault) {
    release_source(tx, task);
    set(tx, task, BackupStatus::Error, &fault);
  };
  backup.bulk = true;
  tasks_.handle(TaskKind::BackupVolume, std::move(backup));

  TaskHandler restore;
  restore.run = [this](const Task& task) { run_restore(task); };
  restore.undo = [this](const Task& task) {
    exports_.release({task.volume_id, std::nullopt}, AttachmentId(task.id.str()));
  };
  restore.finish = [this](store::Transaction& tx, const Task& task) { end_restore(tx, task, VolumeStatus::Available); };
  restore.fail = [this](store::Transaction& tx, const Task& task, const Error&) {
    // A new volume that never left `creating` is not there.
    std::optional<Volume> volume = tx.volumes().find(std::nullopt, task.volume_id);
    bool begun = volume && volume->status == VolumeStatus::RestoringBackup;
    end_restore(tx, task, begun ? VolumeStatus::ErrorRestoring : VolumeStatus::Error);
  };
  restore.bulk = true;
  tasks_.handle(TaskKind::RestoreBackup, restore);
  tasks_.handle(TaskKind::CreateVolumeFromBackup, std::move(restore));

  TaskHandler remove;
  remove.run = [this](const Task& task) { run_remove(task); };
  remove.finish = [](store::Transaction& tx, const Task& task) { tx.backups().remove(task.with<BackupId>()); };
  remove.fail = [set](store::Transaction& tx, const Task& task, const Error& fault) {
    set(tx, task, BackupStatus::ErrorDeleting, &fault);
  };
  remove.bulk = true;
  tasks_.handle(TaskKind::DeleteBackup, std::move(remove));
}

}  // namespace varve::services
