// Rows that must fit each other.

#include <algorithm>

#include "invariants.h"

namespace varve::sim {

namespace {

using model::VolumeStatus;

std::int64_t users_of(const View& view, const VolumeId& volume) {
  return std::ranges::count_if(
      view.attachments, [&](const model::Attachment& one) { return one.volume_id == volume && !one.snapshot_id; });
}

std::string stray_of_volume(const View& view, const model::Volume& volume) {
  std::string what = "volume " + volume.id.str();
  bool offered = has(view.transfers, volume.id, &model::Transfer::volume_id);
  if (offered != (volume.status == VolumeStatus::AwaitingTransfer)) {
    return what + " is " + std::string(to_string(volume.status)) + (offered ? " with" : " without") + " a transfer";
  }
  auto uses = [&](const model::Attachment& one) {
    using enum model::AttachmentStatus;
    return one.volume_id == volume.id && !one.snapshot_id && (one.status == Attached || one.status == Attaching);
  };
  if (!volume.multiattach && std::ranges::count_if(view.attachments, uses) > 1) {
    return what + " has several users and is not multiattach";
  }
  if (!volume.group_id) return {};
  auto group = std::ranges::find(view.groups, *volume.group_id, &model::VolumeGroup::id);
  if (group == view.groups.end()) return what + " is in a group that is gone";
  if (group->project_id != volume.project_id) return what + " is in a group of another project";
  return {};
}

}  // namespace

std::string stray_row(const View& view) {
  for (const model::Volume& volume : view.volumes) {
    if (std::string breach = stray_of_volume(view, volume); !breach.empty()) return breach;
  }
  for (const model::Snapshot& snapshot : view.snapshots) {
    const model::Volume* volume = view.find(snapshot.volume_id);
    if (volume == nullptr) return "snapshot " + snapshot.id.str() + " has no volume";
    if (volume->project_id != snapshot.project_id) {
      return "snapshot " + snapshot.id.str() + " is of another project than its volume";
    }
    bool grouped = !snapshot.group_snapshot_id ||
                   has(view.group_snapshots, *snapshot.group_snapshot_id, &model::GroupSnapshot::id);
    if (!grouped) return "snapshot " + snapshot.id.str() + " is of a group snapshot that is gone";
  }
  for (const model::Attachment& attachment : view.attachments) {
    bool there = attachment.snapshot_id ? view.find(*attachment.snapshot_id) != nullptr
                                        : view.find(attachment.volume_id) != nullptr;
    if (!there) return "attachment " + attachment.id.str() + " is of nothing";
  }
  return {};
}

std::string wrong_attachments(const View& view) {
  for (const model::Volume& volume : view.volumes) {
    bool used = users_of(view, volume.id) > 0;
    bool wrong = used ? volume.status == VolumeStatus::Available : volume.status == VolumeStatus::InUse;
    if (wrong) {
      return "volume " + volume.id.str() + " is " + std::string(to_string(volume.status)) +
             (used ? " with" : " without") + " attachments";
    }
  }
  return {};
}

std::string lost_volume(const View& view) {
  auto deleted = [&](const VolumeId& id) {
    return std::ranges::any_of(view.tasks, [&](const model::Task& task) {
      return task.volume_id == id && task.kind == model::TaskKind::DeleteVolume && task.state == model::TaskState::Done;
    });
  };
  for (const VolumeId& id : view.acknowledged) {
    if ((view.find(id) == nullptr) != deleted(id)) {
      return "volume " + id.str() +
             (view.find(id) == nullptr ? " is gone and nobody deleted it" : " was deleted and is there");
    }
  }
  return {};
}

}  // namespace varve::sim
