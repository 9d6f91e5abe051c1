// Who owns what: a status that only a task may have, and the task.

#include <algorithm>

#include "invariants.h"

namespace varve::sim {

namespace {

using model::Task;
using model::TaskKind;

bool any_live(const View& view, const std::function<bool(const Task&)>& test) {
  return std::ranges::any_of(view.tasks,
                             [&](const Task& task) { return task.state == model::TaskState::Live && test(task); });
}

bool owned(const View& view, const model::Volume& volume) {
  return any_live(view, [&](const Task& task) { return task.volume_id == volume.id; });
}

bool owned(const View& view, const model::Snapshot& snapshot) {
  return any_live(view, [&](const Task& task) {
    if (task.kind == TaskKind::CreateGroupSnapshot)
      return snapshot.group_snapshot_id && task.payload == model::Payload(*snapshot.group_snapshot_id);
    bool with_volume = task.kind == TaskKind::DeleteVolume && task.volume_id == snapshot.volume_id;
    return with_volume || task.snapshot_id == snapshot.id;
  });
}

bool owned(const View& view, const model::VolumeGroup& group) {
  return std::ranges::any_of(view.volumes, [&](const model::Volume& volume) {
    return volume.group_id == group.id && model::is_transitional(volume.status);
  });
}

bool owned(const View& view, const model::GroupSnapshot& group) {
  bool by_snapshot = std::ranges::any_of(view.snapshots, [&](const model::Snapshot& snapshot) {
    return snapshot.group_snapshot_id == group.id && model::is_transitional(snapshot.status);
  });
  return by_snapshot || any_live(view, [&](const Task& task) { return task.payload == model::Payload(group.id); });
}

bool owned(const View& view, const model::Attachment& attachment) {
  return any_live(
      view, [&](const Task& task) { return task.kind == TaskKind::StopExport && task.attachment_id == attachment.id; });
}

bool is_transitional(model::GroupStatus status) {
  return status == model::GroupStatus::Creating || status == model::GroupStatus::Deleting;
}

bool is_transitional(model::AttachmentStatus status) {
  return status == model::AttachmentStatus::Detaching;
}

template <class Row>
std::string ownerless(const View& view, const std::vector<Row>& rows, std::string_view what) {
  using model::is_transitional;
  using sim::is_transitional;
  for (const Row& row : rows) {
    if (!is_transitional(row.status) || owned(view, row)) continue;
    return std::string(what) + " " + row.id.str() + " is " + std::string(to_string(row.status));
  }
  return {};
}

}  // namespace

std::string ownerless_status(const View& view) {
  for (const std::string& breach :
       {ownerless(view, view.volumes, "volume"), ownerless(view, view.snapshots, "snapshot"),
        ownerless(view, view.groups, "group"), ownerless(view, view.group_snapshots, "group snapshot"),
        ownerless(view, view.attachments, "attachment")}) {
    if (!breach.empty()) return breach;
  }
  return {};
}

std::string unended_task(const View& view) {
  for (const Task& task : view.tasks) {
    std::string what =
        "task " + task.id.str() + " (" + std::string(to_string(task.kind)) + " of volume " + task.volume_id.str() + ")";
    if (task.state == model::TaskState::Live) return what + " is live";
    if (task.undo_left) return what + " left something that nobody takes away";
  }
  return {};
}

}  // namespace varve::sim
