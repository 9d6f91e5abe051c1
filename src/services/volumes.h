// Use cases of volumes. Each call is one transaction; what touches bytes is handed to a task and the call returns the
// volume in its transitional status. A volume of another project throws Error(NotFound), always; a status that does not
// allow the call throws Error(InvalidState) naming it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "model/actor.h"
#include "model/change.h"
#include "model/page.h"
#include "services/backups.h"
#include "services/exports.h"
#include "services/images.h"
#include "services/placement.h"
#include "services/pools.h"
#include "services/quotas.h"
#include "services/tasks.h"
#include "services/volume_types.h"

namespace varve::services {

struct VolumeDetail {
  model::Volume volume;
  std::string type_name;
  std::vector<model::Attachment> attachments;
  std::string host;                   // the pool, as Cinder names it
  bool in_consistency_group = false;  // its group is one of those of before 3.13
};

struct VolumeSpec {
  std::optional<std::string> name;
  std::optional<std::string> description;
  std::optional<std::int64_t> size_gib;  // may be left out when there is a source
  std::optional<std::string> volume_type;
  std::optional<std::string> availability_zone;
  std::optional<SnapshotId> snapshot_id;
  std::optional<VolumeId> source_volume_id;
  std::optional<std::string> image_id;
  bool image_may_name_snapshot = false;  // an image of a server: the snapshot of its disk is meant
  std::optional<BackupId> backup_id;
  std::optional<GroupId> group_id;
  model::Metadata metadata;
  model::Metadata tags;
  bool multiattach = false;
  std::optional<std::string> dedicated_storage_id;
  std::optional<std::string> enterprise_project_id;
  std::int64_t count = 1;  // above 1: each name gets "-0001" and so on behind it
};

// What create() made. job: the task of the one volume, or the batch of several.
struct CreatedVolumes {
  JobId job;
  std::vector<VolumeDetail> volumes;
};

// What is nullopt stays as it is.
struct VolumeChange {
  model::Change<std::string> name;
  model::Change<std::string> description;
  std::optional<model::Metadata> metadata;  // replaces all
};

// Asked about the metadata that a change meets, in the same transaction; throws to refuse it. Empty: no condition.
using MetadataCondition = std::function<void(const model::Metadata&)>;

// What an administrator sets right by hand; what is nullopt stays as it is.
struct VolumeReset {
  std::optional<std::string> status;
  std::optional<std::string> migration_status;  // "none": there is none
};

struct VolumeSummary {
  store::Usage usage;
  std::vector<model::Metadata> metadata;
};

class Volumes {
 public:
  Volumes(store::Database& db, backends::Backend& backend, Pools& pools, Exports& exports, TaskRunner& tasks,
          Quotas& quotas, VolumeTypes& types, Images& images, Backups& backups, Placement& placement, Clock& clock,
          Rng& rng, const Settings& settings);

  // All of them or none.
  boost::asio::awaitable<CreatedVolumes> create(model::Actor actor, VolumeSpec spec);
  // Parts of the commits of a group: a volume that has its bytes from a snapshot or a volume, and its removal.
  void begin_copy(store::Transaction& tx, const model::Actor& actor, const VolumeSpec& spec) const;
  TaskId begin_remove(store::Transaction& tx, const model::Actor& actor, const VolumeId& id, bool cascade,
                      bool force) const;
  boost::asio::awaitable<VolumeDetail> show(model::Actor actor, VolumeId id) const;
  boost::asio::awaitable<model::Page<VolumeDetail>> list(model::PageQuery query) const;
  boost::asio::awaitable<VolumeSummary> summary(store::Scope scope) const;
  boost::asio::awaitable<VolumeDetail> update(model::Actor actor, VolumeId id, VolumeChange change);
  // These return the task that does the work.
  // cascade: its snapshots too. force: from any status that no task holds (administrators).
  boost::asio::awaitable<TaskId> remove(model::Actor actor, VolumeId id, bool cascade, bool force);
  boost::asio::awaitable<TaskId> extend(model::Actor actor, VolumeId id, std::int64_t new_size_gib);
  boost::asio::awaitable<TaskId> rollback(model::Actor actor, VolumeId id, SnapshotId snapshot);
  // may_migrate: into another pool, when the new type wants that.
  boost::asio::awaitable<TaskId> retype(model::Actor actor, VolumeId id, std::string new_type, bool may_migrate);
  boost::asio::awaitable<TaskId> migrate(model::Actor actor, VolumeId id, std::string pool);
  boost::asio::awaitable<void> reset_status(model::Actor actor, VolumeId id, VolumeReset reset);
  boost::asio::awaitable<void> set_bootable(model::Actor actor, VolumeId id, bool bootable);
  boost::asio::awaitable<void> set_read_only(model::Actor actor, VolumeId id, bool read_only);

  // merge: keys given are added or overwritten. Returns all of it.
  boost::asio::awaitable<model::Metadata> set_metadata(model::Actor actor, VolumeId id, model::Metadata metadata,
                                                       bool merge, MetadataCondition condition);
  boost::asio::awaitable<void> remove_metadata(model::Actor actor, VolumeId id, std::string key,
                                               MetadataCondition condition);

  boost::asio::awaitable<backends::Usage> usage(model::Actor actor, VolumeId id) const;
  // How much of a cloned volume no longer depends on its source, 0..100; 100 for any other volume.
  boost::asio::awaitable<int> independence_percent(model::Actor actor, VolumeId id) const;

 private:
  void register_tasks();
  void run_create(const model::Task& task);
  void run_extend(const model::Task& task);
  void run_retype(const model::Task& task);
  void give_type(store::Transaction& tx, const VolumeTypeId& id, model::Volume& volume) const;
  void run_delete(const model::Task& task);
  void move_to_pool(const VolumeId& id, const std::string& pool);
  void settle_encryption(store::Transaction& tx, const VolumeSpec& spec, const model::VolumeType& type,
                         model::Volume& volume) const;
  boost::asio::awaitable<void> change(model::Actor actor, VolumeId id, std::function<void(model::Volume&)> apply);
  void require_zone(const std::string& zone) const;
  VolumeDetail detail_of(store::Transaction& tx, const model::Volume& volume) const;
  struct Sources {
    std::optional<images::Image> image;
    std::optional<BackedUpVolume> backup;
  };
  // Which of a batch it is; a batch of one has no id.
  struct Place {
    std::optional<JobId> batch;
    std::int64_t number = 1;
  };
  std::pair<VolumeDetail, TaskId> begin_create(store::Transaction& tx, const model::Actor& actor,
                                               const VolumeSpec& spec, const Sources& sources,
                                               const Place& place) const;
  void settle_spec(store::Transaction& tx, const model::Actor& actor, const VolumeSpec& spec, model::Volume& volume,
                   model::Task& task) const;

  store::Database& db_;
  backends::Backend& backend_;
  Pools& pools_;
  Exports& exports_;
  TaskRunner& tasks_;
  Quotas& quotas_;
  VolumeTypes& types_;
  Images& images_;
  Backups& backups_;
  Placement& placement_;
  Clock& clock_;
  Rng& rng_;
  const Settings& settings_;
};

}  // namespace varve::services
