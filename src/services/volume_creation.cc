#include <algorithm>

#include "base/check.h"
#include "model/reason.h"
#include "services/states.h"
#include "services/tags.h"
#include "services/volume_rules.h"
#include "services/volumes.h"

namespace varve::services {

namespace asio = boost::asio;
using model::Task;
using model::TaskKind;
using model::Volume;
using model::VolumeStatus;

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
  task.payload = ImageId(image.id);
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
  model::VolumeGroup group = tx.groups().get(actor.project_id, *volume.group_id);
  if (group.status != model::GroupStatus::Available && group.status != model::GroupStatus::Creating) {
    throw Error(ErrorCode::InvalidState, "Invalid group: Group " + group.id.str() + " is " +
                                             std::string(to_string(group.status)) + "; it must be available.");
  }
  if (!group.takes(volume.volume_type_id)) {
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
    model::Snapshot snapshot = tx.snapshots().get(actor.project_id, *spec.snapshot_id);
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
    task.payload = snapshot.volume_id;
  } else if (spec.source_volume_id) {
    Volume source = tx.volumes().get(actor.project_id, *spec.source_volume_id);
    require_status(source, {VolumeStatus::Available, VolumeStatus::InUse}, "clone it");
    take_after(source, source.size_gib, "source volume");
    task.payload = source.id;
  } else if (spec.backup_id) {
    model::Backup backup = backups_.begin_restore(tx, actor, *spec.backup_id);
    if (!spec.size_gib) volume.size_gib = backup.size_gib;
    if (volume.size_gib < backup.size_gib) {
      invalid("Volume size " + std::to_string(volume.size_gib) + "GB cannot be smaller than the backup size " +
                  std::to_string(backup.size_gib) + "GB.",
              Reason::BackupTooLarge);
    }
    volume.encryption_key_id = backup.encryption_key_id;
    task.payload = backup.id;
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
  if (makes_multiattach(type, settings_.profile)) volume.multiattach = true;
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
    if (by_type || by_owner) volume.encryption_key_id = KeyId(rng_.uuid());
  } else if (by_type && !volume.encryption_key_id) {
    invalid("type " + type.name + " is encrypted and the source is not: bytes are never encrypted afterwards.",
            Reason::InvalidVolumeType);
  }
}

std::pair<VolumeDetail, TaskId> Volumes::begin_create(store::Transaction& tx, const model::Actor& actor,
                                                      const VolumeSpec& spec, const Sources& sources,
                                                      const Place& place) const {
  Volume volume = volume_of(actor, spec);
  volume.id = VolumeId(rng_.uuid());
  volume.name = numbered(spec.name, place.number, spec.count);
  volume.created_at = clock_.now();
  TaskKind kind = sources.image    ? TaskKind::CreateVolumeFromImage
                  : sources.backup ? TaskKind::CreateVolumeFromBackup
                                   : TaskKind::CreateVolume;
  Task task = tasks_.make(kind, actor, volume.id);
  task.batch_id = place.batch;
  task.snapshot_id = spec.snapshot_id;
  if (sources.image) take_image(*sources.image, volume, task);
  if (sources.backup) take_backup(*sources.backup, volume);
  settle_spec(tx, actor, spec, volume, task);
  model::VolumeType type = type_of(tx, volume);
  quotas_.require_volume(tx, actor.project_id, type, volume.size_gib);
  tx.volumes().insert(volume);
  tx.tasks().insert(task);
  VolumeDetail detail{volume, type.name, {}, pools_.host_of(volume.pool), in_consistency_group(tx, volume)};
  return {std::move(detail), task.id};
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
  if (sources.image && spec.image_may_name_snapshot && sources.image->boot_snapshot_id) {
    spec.snapshot_id = SnapshotId(*sources.image->boot_snapshot_id);
    sources.image.reset();
    spec.image_id.reset();
  }
  // An image may say of which type its volumes are (Cinder's property).
  if (sources.image && !spec.volume_type) {
    auto wanted = sources.image->properties.find("cinder_img_volume_type");
    if (wanted != sources.image->properties.end()) spec.volume_type = wanted->second;
  }
  if (spec.backup_id) sources.backup = co_await backups_.described(actor, *spec.backup_id);
  Place place;
  if (spec.count > 1) place.batch = JobId(rng_.uuid());
  co_return co_await db_.write([&](store::Transaction& tx) {
    CreatedVolumes created;
    for (place.number = 1; place.number <= spec.count; ++place.number) {
      auto [volume, task] = begin_create(tx, actor, spec, sources, place);
      created.volumes.push_back(std::move(volume));
      created.job = place.batch.value_or(JobId(task.str()));
    }
    return created;
  });
}

void Volumes::begin_copy(store::Transaction& tx, const model::Actor& actor, const VolumeSpec& spec) const {
  begin_create(tx, actor, spec, {}, {});
}

}  // namespace varve::services
