// Backups of volumes in an object store, and volumes from backups; the same rules as services/volumes.h. The bytes move
// in bulk tasks. A backup of a volume is made from a snapshot that lives as long as the task ("autobk_snapshot_…", as
// EVS calls it), so that the volume can be used meanwhile; one with `snapshot_id` from that snapshot.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <set>
#include <string>

#include "backends/backend.h"
#include "backups/archive.h"
#include "base/offload.h"
#include "model/actor.h"
#include "model/change.h"
#include "model/page.h"
#include "services/exports.h"
#include "services/placement.h"
#include "services/quotas.h"
#include "services/tasks.h"

namespace varve::services {

struct BackupSpec {
  VolumeId volume_id;
  std::optional<SnapshotId> snapshot_id;
  std::optional<std::string> name;
  std::optional<std::string> description;
  std::optional<std::string> container;  // a name that its owner finds it under, and nothing else
  std::optional<std::string> availability_zone;
  model::Metadata metadata;
  bool incremental = false;
  bool force = false;  // of an attached volume too
};

struct BackupChange {
  model::Change<std::string> name;
  model::Change<std::string> description;
  std::optional<model::Metadata> metadata;  // replaces all
};

struct BackupDetail {
  model::Backup backup;
  bool has_dependents = false;
};

// What a backup knows about its volume, for volumes made from it.
struct BackedUpVolume {
  std::optional<std::string> name;
  std::optional<std::string> description;
  std::string type_name;
  bool bootable = false;
  model::Metadata metadata;
  model::Metadata image_metadata;
};

std::string encode(const BackedUpVolume& volume);
BackedUpVolume decode_volume(const std::string& text);

class Backups {
 public:
  Backups(store::Database& db, backends::Backend& backend, backups::ObjectStore& objects, keys::KeyManager& keys,
          Placement& placement, Exports& exports, TaskRunner& tasks, Offload& calls, Quotas& quotas, Clock& clock,
          Rng& rng, const Settings& settings);

  boost::asio::awaitable<model::Backup> create(model::Actor actor, BackupSpec spec);
  boost::asio::awaitable<BackupDetail> show(model::Actor actor, BackupId id) const;
  boost::asio::awaitable<model::Page<BackupDetail>> list(model::PageQuery query) const;
  boost::asio::awaitable<model::Backup> update(model::Actor actor, BackupId id, BackupChange change);
  // force: from any status that no task holds.
  boost::asio::awaitable<void> remove(model::Actor actor, BackupId id, bool force);
  boost::asio::awaitable<void> reset_status(model::Actor actor, BackupId id, std::string status);

  // Into a volume that is there. Its bytes are lost from the moment the call is accepted.
  boost::asio::awaitable<model::Volume> restore(model::Actor actor, BackupId id, VolumeId volume);

  // What a new volume from the backup takes after it. For Volumes::create.
  boost::asio::awaitable<BackedUpVolume> described(model::Actor actor, BackupId id);
  // In the transaction that makes the volume: the backup is `restoring` until the task ends. Throws when it cannot.
  model::Backup begin_restore(store::Transaction& tx, const model::Actor& actor, const BackupId& id) const;

  // A record that export_record() gave elsewhere, or here before. Its objects must be there.
  boost::asio::awaitable<model::Backup> import_record(model::Actor actor, model::Backup record);

  std::string kind() const { return objects_.kind(); }

 private:
  void register_tasks();
  void run_backup(const model::Task& task);
  void undo_backup(const model::Task& task);
  void make_empty(const model::Task& task);
  void run_restore(const model::Task& task);
  void run_remove(const model::Task& task);
  void release_source(store::Transaction& tx, const model::Task& task) const;
  void end_restore(store::Transaction& tx, const model::Task& task, model::VolumeStatus status) const;
  model::Backup backup_of(const model::Task& task) const;
  backups::Archive archive_of(const model::Backup& backup) const;
  backups::Archive::Cancelled cancelled() const;

  store::Database& db_;
  backends::Backend& backend_;
  backups::ObjectStore& objects_;
  keys::KeyManager& keys_;
  Placement& placement_;
  Exports& exports_;
  TaskRunner& tasks_;
  Offload& calls_;  // of the object store, that a request waits for
  Quotas& quotas_;
  Clock& clock_;
  Rng& rng_;
  const Settings& settings_;
};

}  // namespace varve::services
