#include "services/states.h"

#include <algorithm>

#include "model/reason.h"

namespace varve::services {

void require_status(const model::Volume& volume, std::initializer_list<model::VolumeStatus> allowed,
                    std::string_view to_do, Reason reason) {
  std::string names;
  for (model::VolumeStatus status : allowed) {
    if (status == volume.status) return;
    if (!names.empty()) names += " or ";
    names += to_string(status);
  }
  throw Error(ErrorCode::InvalidState,
              "Invalid volume: Volume " + volume.id.str() + " status must be " + names + " to " + std::string(to_do) +
                  ", but current status is: " + std::string(to_string(volume.status)) + ".",
              reason);
}

void end_at(store::Transaction& tx, const model::Task& task, model::VolumeStatus status, Timestamp now) {
  std::optional<model::Volume> volume = tx.volumes().find(std::nullopt, task.volume_id);
  if (!volume) return;
  move_to(*volume, status);
  volume->updated_at = now;
  tx.volumes().update(*volume);
}

void resume_volume(store::Transaction& tx, const model::Task& task, Timestamp now,
                   const std::function<void(model::Volume&)>& change) {
  std::optional<model::Volume> volume = tx.volumes().find(std::nullopt, task.volume_id);
  if (!volume) return;
  std::vector<model::Attachment> present = tx.attachments().of_volume(volume->id);
  bool used = std::ranges::any_of(present, [](const model::Attachment& one) {
    return one.status == model::AttachmentStatus::Attached || one.status == model::AttachmentStatus::Detaching;
  });
  bool in_use = used || (task.resume_status == model::VolumeStatus::InUse && !present.empty());
  move_to(*volume, in_use ? model::VolumeStatus::InUse : model::VolumeStatus::Available);
  if (change) change(*volume);
  volume->updated_at = now;
  tx.volumes().update(*volume);
}

void settle_group(store::Transaction& tx, const std::optional<GroupId>& id, Timestamp now) {
  if (!id) return;
  std::optional<model::VolumeGroup> group = tx.groups().find(std::nullopt, *id);
  if (!group) return;
  using enum model::GroupStatus;
  bool moving = false;
  bool failed = false;
  std::vector<model::Volume> volumes = tx.groups().volumes(group->id);
  for (const model::Volume& volume : volumes) {
    moving = moving || model::is_transitional(volume.status);
    failed =
        failed || volume.status == model::VolumeStatus::Error || volume.status == model::VolumeStatus::ErrorDeleting;
  }
  if (moving || (group->status != Creating && group->status != Deleting)) return;
  if (group->status == Deleting && volumes.empty()) {
    tx.groups().remove(group->id);
    return;
  }
  group->status = group->status == Deleting ? ErrorDeleting : failed ? Error : Available;
  group->updated_at = now;
  tx.groups().update(*group);
}

void settle_group_snapshot(store::Transaction& tx, const std::optional<GroupSnapshotId>& id, Timestamp now) {
  if (!id) return;
  std::optional<model::GroupSnapshot> group = tx.group_snapshots().find(std::nullopt, *id);
  if (!group || group->status != model::GroupStatus::Deleting) return;
  std::vector<model::Snapshot> snapshots = tx.group_snapshots().snapshots(group->id);
  for (const model::Snapshot& snapshot : snapshots) {
    if (snapshot.status == model::SnapshotStatus::Deleting) return;
  }
  if (snapshots.empty()) {
    tx.group_snapshots().remove(group->id);
    return;
  }
  group->status = model::GroupStatus::ErrorDeleting;
  group->updated_at = now;
  tx.group_snapshots().update(*group);
}

namespace {
constexpr std::string_view kBackupSnapshotPrefix = "autobk_snapshot_";
}  // namespace

std::string helper_name(const SnapshotId& id) {
  return std::string(kBackupSnapshotPrefix) + id.str().substr(0, 8);
}

bool is_helper(const SnapshotId& id, std::string_view name) {
  return name == helper_name(id);
}

namespace {

bool is_system_name(std::string_view name) {
  return name.starts_with(kBackupSnapshotPrefix) || name.starts_with("manualbk_snapshot_");
}

}  // namespace

void require_user_made(const model::Snapshot& snapshot) {
  if (!snapshot.name || !is_system_name(*snapshot.name)) return;
  throw Error(ErrorCode::Forbidden, "Snapshot " + snapshot.id.str() + " (" + *snapshot.name +
                                        ") was made by a backup; operations on it are not allowed.");
}

void require_user_name(const std::optional<std::string>& name) {
  if (!name || !is_system_name(*name)) return;
  throw Error(ErrorCode::InvalidInput,
              "Invalid input for field/attribute name. Value: " + *name +
                  ". The prefixes 'autobk_snapshot_' and 'manualbk_snapshot_' are reserved for snapshots of backups.",
              Reason::InvalidName);
}

}  // namespace varve::services
