#include "services/volumes.h"

#include <algorithm>

#include "base/failpoint.h"
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
  VolumeDetail detail{volume, {}, tx.attachments().of_volume(volume.id), host_of(settings_, backend_, volume.pool)};
  if (auto type = tx.volume_types().find(volume.volume_type_id)) detail.type_name = type->name;
  return detail;
}

Volumes::Volumes(store::Database& db, backends::Backend& backend, Exports& exports, TaskRunner& tasks, Quotas& quotas,
                 VolumeTypes& types, Images& images, Backups& backups, Placing& placing, Clock& clock, Rng& rng,
                 const Settings& settings)
    : db_(db),
      backend_(backend),
      exports_(exports),
      tasks_(tasks),
      quotas_(quotas),
      types_(types),
      images_(images),
      backups_(backups),
      placing_(placing),
      clock_(clock),
      rng_(rng),
      settings_(settings) {
  register_tasks();
}

void Volumes::require_zone(const std::string& zone) const {
  for (const std::string& known : settings_.availability_zones) {
    if (known == zone) return;
  }
  throw Error(ErrorCode::InvalidInput, "Availability zone '" + zone + "' is invalid.", Reason::InvalidZone);
}

namespace {

Volume volume_of(const model::Actor& actor, const VolumeSpec& spec) {
  Volume volume;
  volume.project_id = actor.project_id;
  volume.user_id = actor.user_id;
  volume.description = spec.description;
  volume.metadata = spec.metadata;
  volume.tags = spec.tags;
  volume.multiattach = spec.multiattach;
  volume.snapshot_id = spec.snapshot_id;
  volume.source_volume_id = spec.source_volume_id;
  volume.dedicated_storage_id = spec.dedicated_storage_id;
  volume.enterprise_project_id = spec.enterprise_project_id;
  volume.group_id = spec.group_id;
  return volume;
}

void take_image(const images::Image& image, Volume& volume, Task& task) {
  volume.bootable = true;
  volume.image_metadata = Images::metadata_of(image);
  task.target = image.id;
  task.size_gib = Images::least_size(image);
}

// What the backup says of its volume, where the request says nothing.
void take_backup(const BackedUpVolume& source, Volume& volume) {
  volume.bootable = source.bootable;
  volume.image_metadata = source.image_metadata;
  if (!volume.name) volume.name = source.name;
  if (!volume.description) volume.description = source.description;
  for (const auto& [key, value] : source.metadata) volume.metadata.emplace(key, value);
}

// A volume that joins a group is of one of its types.
void require_group(store::Transaction& tx, const model::Actor& actor, const Volume& volume) {
  model::VolumeGroup group = tx.groups().get(actor.project_id, GroupId(*volume.group_id));
  if (group.status != model::GroupStatus::Available && group.status != model::GroupStatus::Creating) {
    throw Error(ErrorCode::InvalidState, "Invalid group: Group " + group.id.str() + " is " +
                                             std::string(to_string(group.status)) + "; it must be available.");
  }
  bool listed = ("," + group.volume_types + ",").find("," + volume.volume_type_id.str() + ",") != std::string::npos;
  if (!listed) {
    invalid("Volume type " + volume.volume_type_id.str() + " is not supported by group " + group.id.str() + ".");
  }
}

// "data", number 3 of several: "data-0003".
std::optional<std::string> numbered(const std::optional<std::string>& name, std::int64_t number, std::int64_t count) {
  if (!name || count == 1) return name;
  std::string digits = std::to_string(number);
  return *name + "-" + std::string(4 - std::min<std::size_t>(4, digits.size()), '0') + digits;
}

}  // namespace

// What the request leaves open comes from the source, else from the settings. Throws when it cannot be made.
void Volumes::settle_spec(store::Transaction& tx, const model::Actor& actor, const VolumeSpec& spec, Volume& volume,
                          Task& task) const {
  volume.size_gib = spec.size_gib.value_or(0);
  std::string zone = spec.availability_zone.value_or(settings_.availability_zones.front());
  std::optional<std::string> wanted_type = spec.volume_type;
  auto take_after = [&](const Volume& source, std::int64_t size, const char* what) {
    if (!spec.size_gib) volume.size_gib = size;
    require_size(volume.size_gib, size, what);
    if (!wanted_type) wanted_type = source.volume_type_id.str();
    if (!spec.availability_zone) zone = source.availability_zone;
    volume.bootable = source.bootable;
    volume.image_metadata = source.image_metadata;
    volume.encryption_key_id = source.encryption_key_id;
    inherit_device(source, volume);
  };
  if (spec.snapshot_id) {
    model::Snapshot snapshot = tx.snapshots().get(actor.project_id, SnapshotId(*spec.snapshot_id));
    require_user_made(snapshot);
    // EVS: one that is being backed up will do too.
    if (snapshot.status != model::SnapshotStatus::Available && snapshot.status != model::SnapshotStatus::BackingUp) {
      throw Error(ErrorCode::InvalidState,
                  "Invalid snapshot: Originating snapshot status must be available, but " + snapshot.id.str() + " is " +
                      std::string(to_string(snapshot.status)) + ".",
                  Reason::SnapshotNotUsable);
    }
    Volume source = tx.volumes().get(std::nullopt, snapshot.volume_id);
    if (settings_.profile == Profile::Evs) require_like_source(tx, spec, source);
    take_after(source, snapshot.size_gib, "snapshot");
    task.target = snapshot.volume_id.str();
  } else if (spec.source_volume_id) {
    Volume source = tx.volumes().get(actor.project_id, VolumeId(*spec.source_volume_id));
    require_status(source, {VolumeStatus::Available, VolumeStatus::InUse}, "clone it");
    take_after(source, source.size_gib, "source volume");
    task.target = source.id.str();
  } else if (spec.backup_id) {
    model::Backup backup = backups_.begin_restore(tx, actor, BackupId(*spec.backup_id));
    if (!spec.size_gib) volume.size_gib = backup.size_gib;
    if (volume.size_gib < backup.size_gib) {
      invalid("Volume size " + std::to_string(volume.size_gib) + "GB cannot be smaller than the backup size " +
                  std::to_string(backup.size_gib) + "GB.",
              Reason::BackupTooLarge);
    }
    volume.encryption_key_id = backup.encryption_key_id;
    task.target = backup.id.str();
  }
  if (spec.image_id) require_size(volume.size_gib, task.size_gib, "image");
  if (volume.size_gib < 1) invalid("Volume size must be given: at least 1 GiB.", Reason::InvalidSize);
  if (volume.size_gib > settings_.max_volume_gib) {
    invalid("Volume size " + std::to_string(volume.size_gib) + " is larger than the maximum of " +
                std::to_string(settings_.max_volume_gib) + " GiB.",
            Reason::InvalidSize);
  }
  require_zone(zone);
  volume.availability_zone = zone;
  model::VolumeType type = types_.resolve(tx, actor, wanted_type);
  if (settings_.profile == Profile::Evs) require_offered(type, zone);
  volume.volume_type_id = type.id;
  settle_encryption(tx, spec, type, volume);
  if (volume.group_id) require_group(tx, actor, volume);
}

// Encrypted because of its type or because EVS's metadata says so; from a source, as that is.
void Volumes::settle_encryption(store::Transaction& tx, const VolumeSpec& spec, const model::VolumeType& type,
                                Volume& volume) const {
  bool by_type = tx.type_encryptions().of_type(type.id).has_value();
  bool from_source = spec.snapshot_id || spec.source_volume_id || spec.backup_id;
  if (!from_source) {
    auto asked = volume.metadata.find("__system__encrypted");
    bool by_owner = asked != volume.metadata.end() && asked->second == "1";
    if (by_type || by_owner) volume.encryption_key_id = rng_.uuid();
  } else if (by_type && !volume.encryption_key_id) {
    invalid("type " + type.name + " is encrypted and the source is not: bytes are never encrypted afterwards.",
            Reason::InvalidVolumeType);
  }
}

// The row of one volume, and its task, which is inserted too.
VolumeDetail Volumes::add(store::Transaction& tx, const model::Actor& actor, const VolumeSpec& spec,
                          const Sources& sources, std::int64_t number, Task& task) const {
  Volume volume = volume_of(actor, spec);
  volume.id = VolumeId(rng_.uuid());
  volume.name = numbered(spec.name, number, spec.count);
  volume.created_at = clock_.now();
  TaskKind kind = sources.image    ? TaskKind::CreateVolumeFromImage
                  : sources.backup ? TaskKind::CreateVolumeFromBackup
                                   : TaskKind::CreateVolume;
  std::optional<std::string> batch = task.batch_id;
  task = tasks_.make(kind, actor, volume.id);
  task.batch_id = batch;
  task.snapshot_id = spec.snapshot_id;
  if (sources.image) take_image(*sources.image, volume, task);
  if (sources.backup) take_backup(*sources.backup, volume);
  settle_spec(tx, actor, spec, volume, task);
  model::VolumeType type = type_of(tx, volume);
  quotas_.require_volume(tx, actor.project_id, type, volume.size_gib);
  tx.volumes().insert(volume);
  tx.tasks().insert(task);
  return {volume, type.name, {}, host_of(settings_, backend_, volume.pool)};
}

asio::awaitable<CreatedVolumes> Volumes::create(model::Actor actor, VolumeSpec spec) {
  if (spec.snapshot_id.has_value() + spec.source_volume_id.has_value() + spec.image_id.has_value() +
          spec.backup_id.has_value() >
      1) {
    invalid("May specify only one of snapshot, source volume, image or backup!", Reason::SeveralSources);
  }
  if (spec.backup_id && spec.count > 1) {
    invalid("one volume is made from a backup, not " + std::to_string(spec.count) + ".", Reason::BatchFromBackup);
  }
  require_device(spec);
  require_tags(spec.tags);
  VARVE_CHECK(spec.count >= 1 && spec.count <= 9999, "a batch of volumes out of range");
  Sources sources;
  if (spec.image_id) sources.image = co_await images_.usable(actor, *spec.image_id);
  // An image may say of which type its volumes are (Cinder's property).
  if (sources.image && !spec.volume_type) {
    auto wanted = sources.image->properties.find("cinder_img_volume_type");
    if (wanted != sources.image->properties.end()) spec.volume_type = wanted->second;
  }
  if (spec.backup_id) sources.backup = co_await backups_.described(actor, BackupId(*spec.backup_id));
  CreatedVolumes created;
  std::vector<Task> tasks;
  std::string batch = rng_.uuid();
  store::Work write = [&](store::Transaction& tx) {
    created.volumes.clear();
    tasks.clear();
    for (std::int64_t number = 1; number <= spec.count; ++number) {
      Task task;
      if (spec.count > 1) task.batch_id = batch;
      created.volumes.push_back(add(tx, actor, spec, sources, number, task));
      tasks.push_back(std::move(task));
    }
  };
  co_await db_.write(write);
  created.job = spec.count > 1 ? TaskId(batch) : tasks.front().id;
  for (const Task& task : tasks) tasks_.enqueue(task);
  co_return created;
}

asio::awaitable<void> Volumes::create_several(model::Actor actor, store::Work before,
                                              const std::vector<VolumeSpec>& specs) {
  std::vector<Task> tasks;
  store::Work write = [&](store::Transaction& tx) {
    tasks.clear();
    before(tx);
    for (const VolumeSpec& spec : specs) add(tx, actor, spec, {}, 1, tasks.emplace_back());
  };
  co_await db_.write(write);
  for (const Task& task : tasks) tasks_.enqueue(task);
}

VolumeDetail Volumes::show(const model::Actor& actor, const VolumeId& id) const {
  VolumeDetail detail;
  store::Work read = [&](store::Transaction& tx) { detail = detail_of(tx, tx.volumes().get(actor.scope(), id)); };
  db_.read(read);
  return detail;
}

model::Page<VolumeDetail> Volumes::list(const model::PageQuery& query) const {
  model::Page<VolumeDetail> page;
  store::Work read = [&](store::Transaction& tx) {
    if (query.marker) tx.volumes().get(query.project_id, VolumeId(*query.marker));
    model::Page<Volume> found = tx.volumes().list(query);
    page.count = found.count;
    std::map<VolumeTypeId, std::string> names;
    for (const model::VolumeType& type : tx.volume_types().all()) names[type.id] = type.name;
    auto attachments = tx.attachments().of_volumes(found.rows);
    page.rows.reserve(found.rows.size());
    for (Volume& volume : found.rows) {
      std::string name = names[volume.volume_type_id];
      std::vector<model::Attachment> own = std::move(attachments[volume.id]);
      std::string host = host_of(settings_, backend_, volume.pool);
      page.rows.push_back({std::move(volume), std::move(name), std::move(own), std::move(host)});
    }
  };
  db_.read(read);
  return page;
}

VolumeSummary Volumes::summary(const store::Scope& scope) const {
  VolumeSummary summary;
  store::Work read = [&](store::Transaction& tx) {
    summary = {tx.volumes().usage(scope, std::nullopt), tx.volumes().metadata(scope)};
  };
  db_.read(read);
  return summary;
}

asio::awaitable<VolumeDetail> Volumes::update(model::Actor actor, VolumeId id, VolumeChange change) {
  VolumeDetail detail;
  store::Work write = [&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), id);
    if (change.name) volume.name = *change.name;
    if (change.description) volume.description = *change.description;
    if (change.metadata) change_metadata(volume.metadata, *change.metadata, false);
    volume.updated_at = clock_.now();
    tx.volumes().update(volume);
    detail = detail_of(tx, volume);
  };
  co_await db_.write(write);
  co_return detail;
}

asio::awaitable<void> Volumes::change(model::Actor actor, VolumeId id, std::function<void(Volume&)> apply) {
  store::Work write = [&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), id);
    apply(volume);
    volume.updated_at = clock_.now();
    tx.volumes().update(volume);
  };
  co_await db_.write(write);
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
                                                       bool merge) {
  model::Metadata all;
  std::function<void(Volume&)> apply = [&](Volume& volume) {
    change_metadata(volume.metadata, metadata, merge);
    all = volume.metadata;
  };
  co_await change(actor, id, apply);
  co_return all;
}

asio::awaitable<void> Volumes::remove_metadata(model::Actor actor, VolumeId id, std::string key) {
  std::function<void(Volume&)> apply = [&](Volume& volume) {
    require_unprotected(volume.metadata, key);
    if (volume.metadata.erase(key) == 0) {
      throw Error(ErrorCode::NotFound, "Volume " + id.str() + " has no metadata with key " + key + ".");
    }
  };
  co_await change(actor, id, apply);
}

asio::awaitable<void> Volumes::reset_status(model::Actor actor, VolumeId id, std::string status) {
  std::optional<VolumeStatus> to = model::parse_volume_status(status);
  if (!to) throw Error(ErrorCode::InvalidInput, "Must specify a valid status: '" + status + "' is none.");
  store::Work write = [&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), id);
    if (tx.tasks().works_on(id)) require_status(volume, {*to}, "reset it while a task works on it");
    volume.status = *to;
    volume.updated_at = clock_.now();
    tx.volumes().update(volume);
  };
  co_await db_.write(write);
}

void Volumes::begin_remove(store::Transaction& tx, const model::Actor& actor, const VolumeId& id, bool cascade,
                           bool force, Task& task) const {
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
  volume.status = VolumeStatus::Deleting;
  volume.updated_at = clock_.now();
  tx.volumes().update(volume);
  task = tasks_.make(TaskKind::DeleteVolume, actor, id);
  task.project_id = volume.project_id;
  tx.tasks().insert(task);
}

asio::awaitable<TaskId> Volumes::remove(model::Actor actor, VolumeId id, bool cascade, bool force) {
  Task task;
  store::Work write = [&](store::Transaction& tx) { begin_remove(tx, actor, id, cascade, force, task); };
  co_await db_.write(write);
  tasks_.enqueue(task);
  co_return task.id;
}

asio::awaitable<void> Volumes::remove_several(model::Actor actor, store::Work before,
                                              const std::vector<VolumeId>& ids) {
  std::vector<Task> tasks;
  store::Work write = [&](store::Transaction& tx) {
    tasks.clear();
    before(tx);
    for (const VolumeId& id : ids) begin_remove(tx, actor, id, false, false, tasks.emplace_back());
  };
  co_await db_.write(write);
  for (const Task& task : tasks) tasks_.enqueue(task);
}

asio::awaitable<TaskId> Volumes::extend(model::Actor actor, VolumeId id, std::int64_t new_size_gib) {
  Task task = tasks_.make(TaskKind::ExtendVolume, actor, id);
  task.size_gib = new_size_gib;
  store::Work write = [&](store::Transaction& tx) {
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
    task.resume_status = volume.status == VolumeStatus::InUse ? "in-use" : "available";
    move_to(volume, VolumeStatus::Extending);
    tx.volumes().update(volume);
    task.project_id = volume.project_id;
    tx.tasks().insert(task);
  };
  co_await db_.write(write);
  tasks_.enqueue(task);
  co_return task.id;
}

asio::awaitable<TaskId> Volumes::rollback(model::Actor actor, VolumeId id, SnapshotId snapshot_id) {
  Task task = tasks_.make(TaskKind::RollbackVolume, actor, id);
  task.snapshot_id = snapshot_id.str();
  store::Work write = [&](store::Transaction& tx) {
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
  };
  co_await db_.write(write);
  tasks_.enqueue(task);
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
  std::vector<std::string> pools = backend_.pools();
  if (std::ranges::find(pools, pool) == pools.end()) {
    invalid("there is no pool '" + pool.substr(0, 100) + "'.");
  }
  Task task = tasks_.make(TaskKind::MigrateVolume, actor, id);
  task.target = pool;
  store::Work write = [&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), id);
    require_status(volume, {VolumeStatus::Available, VolumeStatus::InUse}, "migrate it");
    if (pool_name(backend_, volume.pool) == pool) invalid("Destination host must be different than the current host.");
    require_movable(tx, volume);
    volume.migration_status = "migrating";
    tx.volumes().update(volume);
    task.project_id = volume.project_id;
    tx.tasks().insert(task);
  };
  co_await db_.write(write);
  tasks_.enqueue(task);
  co_return task.id;
}

asio::awaitable<TaskId> Volumes::retype(model::Actor actor, VolumeId id, std::string new_type, bool may_migrate) {
  Task task = tasks_.make(TaskKind::RetypeVolume, actor, id);
  store::Work write = [&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), id);
    model::VolumeType type = types_.resolve(tx, actor, new_type);
    require_status(volume, {VolumeStatus::Available, VolumeStatus::InUse}, "retype");
    if (type.id == volume.volume_type_id) {
      invalid("New volume_type same as original: " + type.name + ".", Reason::RetypeNotAllowed);
    }
    if (settings_.profile == Profile::Evs) require_retype(type_of(tx, volume).name, type.name);
    if (tx.type_encryptions().of_type(type.id).has_value() !=
        tx.type_encryptions().of_type(volume.volume_type_id).has_value()) {
      invalid("Retype cannot change encryption.", Reason::RetypeNotAllowed);
    }
    if (!suits(backend_, volume.pool, type)) {
      placing_.pick(tx, type, volume.pool);
      if (!may_migrate) {
        invalid("type " + type.name + " is in another pool; the volume moves there with migration_policy on-demand.",
                Reason::RetypeNotAllowed);
      }
      require_movable(tx, volume);
    }
    quotas_.require_volume_of_type(tx, volume.project_id, type, volume.size_gib);
    task.resume_status = std::string(to_string(volume.status));
    task.target = type.id.str();
    move_to(volume, VolumeStatus::Retyping);
    tx.volumes().update(volume);
    task.project_id = volume.project_id;
    tx.tasks().insert(task);
  };
  co_await db_.write(write);
  tasks_.enqueue(task);
  co_return task.id;
}

backends::Usage Volumes::usage(const model::Actor& actor, const VolumeId& id) const {
  show(actor, id);
  return backend_.has_volume(id) ? backend_.volume_usage(id) : backends::Usage{};
}

}  // namespace varve::services
