#include "services/volumes.h"

#include <algorithm>

#include "base/failpoint.h"
#include "model/reason.h"
#include "services/states.h"
#include "services/tags.h"
#include "services/volume_rules.h"

namespace varve::services {

namespace asio = boost::asio;
using model::Task;
using model::TaskKind;
using model::Volume;
using model::VolumeStatus;

VolumeDetail Volumes::detail_of(store::Transaction& tx, const Volume& volume) const {
  VolumeDetail detail{
      volume, {}, tx.attachments().of_volume(volume.id), pools_.host_of(volume.pool), in_consistency_group(tx, volume)};
  if (auto type = tx.volume_types().find(volume.volume_type_id)) detail.type_name = type->name;
  return detail;
}

Volumes::Volumes(store::Database& db, backends::Backend& backend, Pools& pools, Exports& exports, TaskRunner& tasks,
                 Quotas& quotas, VolumeTypes& types, Images& images, Backups& backups, Placement& placement,
                 Clock& clock, Rng& rng, const Settings& settings)
    : db_(db),
      backend_(backend),
      pools_(pools),
      exports_(exports),
      tasks_(tasks),
      quotas_(quotas),
      types_(types),
      images_(images),
      backups_(backups),
      placement_(placement),
      clock_(clock),
      rng_(rng),
      settings_(settings) {
  register_tasks();
}

boost::asio::awaitable<VolumeDetail> Volumes::show(model::Actor actor, VolumeId id) const {
  co_return co_await db_.read(
      [&](store::Transaction& tx) { return detail_of(tx, tx.volumes().get(actor.scope(), id)); });
}

boost::asio::awaitable<model::Page<VolumeDetail>> Volumes::list(model::PageQuery query) const {
  co_return co_await db_.read([&](store::Transaction& tx) {
    if (query.marker) tx.volumes().get(query.project_id, VolumeId(*query.marker));
    model::Page<Volume> found = tx.volumes().list(query);
    model::Page<VolumeDetail> page;
    page.count = found.count;
    std::map<VolumeTypeId, std::string> names;
    for (const model::VolumeType& type : tx.volume_types().all()) names[type.id] = type.name;
    auto attachments = tx.attachments().of_volumes(found.rows);
    std::map<GroupId, bool> of_old;
    page.rows.reserve(found.rows.size());
    for (Volume& volume : found.rows) {
      std::string name = names[volume.volume_type_id];
      std::vector<model::Attachment> own = std::move(attachments[volume.id]);
      std::string host = pools_.host_of(volume.pool);
      bool old = false;
      if (volume.group_id) {
        auto [known, is_new] = of_old.try_emplace(*volume.group_id);
        if (is_new) known->second = in_consistency_group(tx, volume);
        old = known->second;
      }
      page.rows.push_back({std::move(volume), std::move(name), std::move(own), std::move(host), old});
    }
    return page;
  });
}

boost::asio::awaitable<VolumeSummary> Volumes::summary(store::Scope scope) const {
  co_return co_await db_.read([&](store::Transaction& tx) -> VolumeSummary {
    return {tx.volumes().usage(scope, std::nullopt), tx.volumes().metadata(scope)};
  });
}

asio::awaitable<VolumeDetail> Volumes::update(model::Actor actor, VolumeId id, VolumeChange change) {
  co_return co_await db_.write([&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), id);
    if (change.name) volume.name = *change.name;
    if (change.description) volume.description = *change.description;
    if (change.metadata) change_metadata(volume.metadata, *change.metadata, false);
    volume.updated_at = clock_.now();
    tx.volumes().update(volume);
    return detail_of(tx, volume);
  });
}

asio::awaitable<void> Volumes::change(model::Actor actor, VolumeId id, std::function<void(Volume&)> apply) {
  co_await db_.write([&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), id);
    apply(volume);
    volume.updated_at = clock_.now();
    tx.volumes().update(volume);
  });
}

asio::awaitable<void> Volumes::set_bootable(model::Actor actor, VolumeId id, bool bootable) {
  std::function<void(Volume&)> apply = [&](Volume& volume) { volume.bootable = bootable; };
  co_await change(actor, id, apply);
}

asio::awaitable<void> Volumes::set_read_only(model::Actor actor, VolumeId id, bool read_only) {
  std::function<void(Volume&)> apply = [&](Volume& volume) {
    require_status(volume, {VolumeStatus::Available}, "update readonly flag");
    volume.read_only = read_only;
    volume.read_only_set = true;
  };
  co_await change(actor, id, apply);
}

asio::awaitable<model::Metadata> Volumes::set_metadata(model::Actor actor, VolumeId id, model::Metadata metadata,
                                                       bool merge, MetadataCondition condition) {
  model::Metadata all;
  std::function<void(Volume&)> apply = [&](Volume& volume) {
    if (condition) condition(volume.metadata);
    change_metadata(volume.metadata, metadata, merge);
    all = volume.metadata;
  };
  co_await change(actor, id, apply);
  co_return all;
}

asio::awaitable<void> Volumes::remove_metadata(model::Actor actor, VolumeId id, std::string key,
                                               MetadataCondition condition) {
  std::function<void(Volume&)> apply = [&](Volume& volume) {
    if (condition) condition(volume.metadata);
    require_unprotected(volume.metadata, key);
    if (volume.metadata.erase(key) == 0) {
      throw Error(ErrorCode::NotFound, "Volume " + id.str() + " has no metadata with key " + key + ".");
    }
  };
  co_await change(actor, id, apply);
}

asio::awaitable<void> Volumes::reset_status(model::Actor actor, VolumeId id, VolumeReset reset) {
  constexpr std::string_view kMigration[] = {"none", "starting", "migrating", "completing", "success", "error"};
  std::optional<VolumeStatus> to;
  if (reset.status) to = model::parse_volume_status(*reset.status);
  if (reset.status && !to) invalid("Must specify a valid status: '" + *reset.status + "' is none.");
  if (to == VolumeStatus::Deleting) invalid("Cannot reset status to deleting: what is to go is deleted.");
  if (reset.migration_status && std::ranges::find(kMigration, *reset.migration_status) == std::end(kMigration)) {
    invalid("Must specify a valid migration_status: '" + *reset.migration_status + "' is none.");
  }
  co_await db_.write([&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), id);
    if (to && tx.tasks().works_on(id)) require_status(volume, {*to}, "reset it while a task works on it");
    if (to == VolumeStatus::InUse && tx.attachments().of_volume(id).empty()) {
      invalid("Cannot reset status to in-use: volume " + id.str() + " does not have any attachments.");
    }
    if (to) volume.status = *to;
    if (reset.migration_status) volume.migration_status = reset.migration_status;
    if (reset.migration_status == "none") volume.migration_status.reset();
    volume.updated_at = clock_.now();
    tx.volumes().update(volume);
  });
}

TaskId Volumes::begin_remove(store::Transaction& tx, const model::Actor& actor, const VolumeId& id, bool cascade,
                             bool force) const {
  Volume volume = tx.volumes().get(actor.scope(), id);
  auto refuse = [&](const std::string& why) {
    throw Error(ErrorCode::InvalidState,
                "Invalid volume: Volume status must be available or error or error_extending or error_rollbacking or "
                "error_restoring or error_deleting and must not be attached, have snapshots, or be the source of a "
                "volume that is being "
                "created, but " +
                    why + ".",
                Reason::VolumeNotDeletable);
  };
  bool from_here = model::may_move(volume.status, VolumeStatus::Deleting);
  if (!from_here && !(force && !tx.tasks().works_on(id))) {
    refuse("volume " + id.str() + " is " + std::string(to_string(volume.status)));
  }
  std::size_t attachments = tx.attachments().of_volume(id).size();
  if (attachments > 0) refuse("volume " + id.str() + " has " + std::to_string(attachments) + " attachments");
  if (tx.tasks().volume_is_source(id)) refuse("a volume is being created from volume " + id.str());
  std::vector<model::Snapshot> snapshots = tx.snapshots().of_volume(id);
  if (!snapshots.empty() && !cascade) {
    refuse("volume " + id.str() + " has " + std::to_string(snapshots.size()) + " snapshots");
  }
  for (model::Snapshot& snapshot : snapshots) {
    using enum model::SnapshotStatus;
    if (snapshot.status != Deleting && !model::may_move(snapshot.status, Deleting)) {
      refuse("its snapshot " + snapshot.id.str() + " is " + std::string(to_string(snapshot.status)));
    }
    if (tx.tasks().snapshot_is_source(snapshot.id))
      refuse("a volume is being created from snapshot " + snapshot.id.str());
    if (!tx.attachments().of_snapshot(snapshot.id).empty()) {
      refuse("its snapshot " + snapshot.id.str() + " has attachments");
    }
    move_to(snapshot, Deleting);
    tx.snapshots().update(snapshot);
  }
  volume.status = VolumeStatus::Deleting;  // no move of the tables: by force, from any status
  volume.updated_at = clock_.now();
  tx.volumes().update(volume);
  tx.transfers().remove_of_volume(id);  // by force, from `awaiting-transfer`
  Task task = tasks_.make(TaskKind::DeleteVolume, actor, id);
  task.project_id = volume.project_id;
  tx.tasks().insert(task);
  return task.id;
}

asio::awaitable<TaskId> Volumes::remove(model::Actor actor, VolumeId id, bool cascade, bool force) {
  co_return co_await db_.write([&](store::Transaction& tx) { return begin_remove(tx, actor, id, cascade, force); });
}

asio::awaitable<TaskId> Volumes::extend(model::Actor actor, VolumeId id, std::int64_t new_size_gib) {
  Task task = tasks_.make(TaskKind::ExtendVolume, actor, id);
  task.size_gib = new_size_gib;
  co_await db_.write([&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), id);
    require_status(volume, {VolumeStatus::Available, VolumeStatus::InUse, VolumeStatus::ErrorExtending}, "extend",
                   Reason::VolumeNotExtendable);
    if (settings_.profile == Profile::Evs && volume.multiattach) {
      require_status(volume, {VolumeStatus::Available}, "extend a shared volume", Reason::SharedVolumeInUse);
    }
    if (new_size_gib <= volume.size_gib) {
      invalid("New size for extend must be greater than current size. (current: " + std::to_string(volume.size_gib) +
                  ", extended: " + std::to_string(new_size_gib) + ").",
              Reason::NewSizeNotGreater);
    }
    if (new_size_gib > settings_.max_volume_gib) {
      invalid("Volume size " + std::to_string(new_size_gib) + " is larger than the maximum of " +
                  std::to_string(settings_.max_volume_gib) + " GiB.",
              Reason::InvalidSize);
    }
    quotas_.require_growth(tx, volume.project_id, type_of(tx, volume), new_size_gib, new_size_gib - volume.size_gib);
    // An extension that failed has hidden whether it is attached.
    bool attached = volume.status == VolumeStatus::InUse || !tx.attachments().of_volume(id).empty();
    task.resume_status = attached ? VolumeStatus::InUse : VolumeStatus::Available;
    move_to(volume, VolumeStatus::Extending);
    tx.volumes().update(volume);
    task.project_id = volume.project_id;
    tx.tasks().insert(task);
  });
  co_return task.id;
}

asio::awaitable<TaskId> Volumes::rollback(model::Actor actor, VolumeId id, SnapshotId snapshot_id) {
  Task task = tasks_.make(TaskKind::RollbackVolume, actor, id);
  task.snapshot_id = snapshot_id;
  co_await db_.write([&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), id);
    model::Snapshot snapshot = tx.snapshots().get(actor.scope(), snapshot_id);
    if (snapshot.volume_id != id) {
      throw Error(ErrorCode::InvalidInput, "Snapshot " + snapshot_id.str() + " is a snapshot of volume " +
                                               snapshot.volume_id.str() + ", not of volume " + id.str() + ".");
    }
    require_user_made(snapshot);
    // Here a volume that has grown stays as large, with zeros behind the snapshot's end; Cinder knows no such revert.
    if (settings_.profile == Profile::Cinder && volume.size_gib != snapshot.size_gib) {
      invalid("Can't revert volume " + id.str() + " to its snapshot " + snapshot_id.str() +
              ": the volume has been extended since.");
    }
    require_status(volume, {VolumeStatus::Available, VolumeStatus::ErrorRollbacking}, "roll back");
    if (snapshot.status != model::SnapshotStatus::Available) {
      throw Error(ErrorCode::InvalidState, "Invalid snapshot: Snapshot " + snapshot_id.str() +
                                               " status must be available to roll back to it, but current status is: " +
                                               std::string(to_string(snapshot.status)) + ".");
    }
    if (!tx.attachments().of_volume(id).empty()) {
      throw Error(ErrorCode::InvalidState,
                  "Invalid volume: Volume " + id.str() + " has attachments; detach it to roll back.");
    }
    move_to(volume, VolumeStatus::Rollbacking);
    move_to(snapshot, model::SnapshotStatus::Rollbacking);
    tx.volumes().update(volume);
    tx.snapshots().update(snapshot);
    task.project_id = volume.project_id;
    tx.tasks().insert(task);
  });
  co_return task.id;
}

namespace {

// Snapshots stay where they are, and the volume with them.
void require_movable(store::Transaction& tx, const Volume& volume) {
  if (tx.snapshots().count_of_volume(volume.id) == 0) return;
  throw Error(ErrorCode::InvalidState,
              "Invalid volume: Volume " + volume.id.str() + " has snapshots; it cannot move to another pool.");
}

}  // namespace

asio::awaitable<TaskId> Volumes::migrate(model::Actor actor, VolumeId id, std::string pool) {
  if (pool.empty() || pools_.find(pool) == nullptr) invalid("there is no pool '" + pool.substr(0, 100) + "'.");
  Task task = tasks_.make(TaskKind::MigrateVolume, actor, id);
  task.payload = model::PoolName{pool};
  co_await db_.write([&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), id);
    require_status(volume, {VolumeStatus::Available, VolumeStatus::InUse}, "migrate it");
    if (pools_.find(volume.pool) == pools_.find(pool))
      invalid("Destination host must be different than the current host.");
    require_movable(tx, volume);
    volume.migration_status = "migrating";
    tx.volumes().update(volume);
    task.project_id = volume.project_id;
    tx.tasks().insert(task);
  });
  co_return task.id;
}

asio::awaitable<TaskId> Volumes::retype(model::Actor actor, VolumeId id, std::string new_type, bool may_migrate) {
  Task task = tasks_.make(TaskKind::RetypeVolume, actor, id);
  co_await db_.write([&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), id);
    model::VolumeType type = types_.resolve(tx, actor, new_type);
    require_status(volume, {VolumeStatus::Available, VolumeStatus::InUse}, "retype");
    if (type.id == volume.volume_type_id) {
      invalid("New volume_type same as original: " + type.name + ".", Reason::RetypeNotAllowed);
    }
    model::VolumeType present = type_of(tx, volume);
    if (settings_.profile == Profile::Evs) require_retype(present.name, type.name);
    if (makes_multiattach(type, settings_.profile) != makes_multiattach(present, settings_.profile)) {
      require_status(volume, {VolumeStatus::Available}, "change whether it is multiattach");
    }
    if (tx.type_encryptions().of_type(type.id).has_value() != tx.type_encryptions().of_type(present.id).has_value()) {
      invalid("Retype cannot change encryption.", Reason::RetypeNotAllowed);
    }
    if (!pools_.suits(volume.pool, type)) {
      placement_.candidates(tx, type, volume.pool);
      if (!may_migrate) {
        invalid("type " + type.name + " is in another pool; the volume moves there with migration_policy on-demand.",
                Reason::RetypeNotAllowed);
      }
      require_movable(tx, volume);
    }
    quotas_.require_volume_of_type(tx, volume.project_id, type, volume.size_gib);
    task.resume_status = volume.status;
    task.payload = type.id;
    move_to(volume, VolumeStatus::Retyping);
    tx.volumes().update(volume);
    task.project_id = volume.project_id;
    tx.tasks().insert(task);
  });
  co_return task.id;
}

boost::asio::awaitable<backends::Usage> Volumes::usage(model::Actor actor, VolumeId id) const {
  VolumeDetail detail = co_await show(actor, id);
  co_return co_await pools_.usage(detail.volume.pool, model::Source{id});
}

boost::asio::awaitable<int> Volumes::independence_percent(model::Actor actor, VolumeId id) const {
  VolumeDetail detail = co_await show(actor, id);
  co_return co_await pools_.independence_percent(detail.volume.pool, id);
}

}  // namespace varve::services
