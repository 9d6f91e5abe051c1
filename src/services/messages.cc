#include "services/messages.h"

#include "backends/backend.h"
#include "backups/archive.h"

namespace varve::services {

namespace {

using model::TaskKind;

struct Action {
  TaskKind kind;
  std::string_view number;  // of Cinder's message actions; from 900 on: ours
  std::string_view text;
};

constexpr Action kActions[] = {
    {TaskKind::CreateVolume, "001", "schedule allocate volume"},
    {TaskKind::CreateVolumeFromImage, "005", "copy image to volume"},
    {TaskKind::DeleteVolume, "901", "delete volume"},
    {TaskKind::ExtendVolume, "007", "extend volume"},
    {TaskKind::RollbackVolume, "902", "revert volume to a snapshot"},
    {TaskKind::RetypeVolume, "903", "retype volume"},
    {TaskKind::UploadVolume, "004", "copy volume to image"},
    {TaskKind::CreateVolumeFromBackup, "906", "create volume from backup"},
    {TaskKind::MigrateVolume, "907", "migrate volume"},
    {TaskKind::ReimageVolume, "017", "reimage volume"},
    {TaskKind::BackupVolume, "013", "create backup"},
    {TaskKind::RestoreBackup, "015", "restore backup"},
    {TaskKind::DeleteBackup, "014", "delete backup"},
    {TaskKind::ManageVolume, "908", "manage volume"},
    {TaskKind::ManageSnapshot, "909", "manage snapshot"},
    {TaskKind::CreateGroupSnapshot, "910", "create group snapshot"},
    {TaskKind::CreateSnapshot, "009", "create snapshot"},
    {TaskKind::DeleteSnapshot, "010", "delete snapshot"},
    {TaskKind::StartExport, "002", "attach volume"},
    {TaskKind::StopExport, "904", "detach volume"},
};

const Action& action_of(TaskKind kind) {
  for (const Action& action : kActions) {
    if (action.kind == kind) return action;
  }
  return kActions[0];
}

struct Detail {
  std::string_view number;
  std::string_view text;
};

// What the storage said of a BackendFailed that its owner can do something about. The words are those of the backend's
// contract (backends/backend.h).
constexpr std::pair<std::string_view, Detail> kRefusals[] = {
    {backends::kTooDeep,
     {"904", "It stands on too many snapshots and copies; delete some, or wait until they are merged."}},
    {backends::kDamaged, {"905", "Its bytes, or those that it is made from, cannot be read."}},
    {backends::kOthers,
     {"908", "It has snapshots that only the storage knows; an administrator can manage them, so that they can go."}},
    {backups::kDamagedArchive, {"909", "Objects of the backup are missing or have changed."}},
    {kGivenUp, {"906", "It was given up after several interrupted attempts."}},
};

Detail detail_of(ErrorCode code, std::string_view error) {
  if (code == ErrorCode::NoSpace) return {"003", "The storage has not the room for it."};
  if (code == ErrorCode::Unavailable) return {"002", "The storage was not ready."};
  if (code == ErrorCode::BackendFailed) {
    for (const auto& [words, detail] : kRefusals) {
      if (error.find(words) != std::string_view::npos) return detail;
    }
    return {"907", "The storage failed; the operator finds the request id in the log."};
  }
  return {"001", "An unknown error occurred; the operator finds the request id in the log."};
}

}  // namespace

std::string_view failed_action(TaskKind kind) {
  return action_of(kind).text;
}

std::string_view failure_text(ErrorCode code, std::string_view error) {
  return detail_of(code, error).text;
}

std::string damage_text(const std::string& reason) {
  return "The bytes cannot be read: " + reason + ".";
}

model::Message Messages::make(const ProjectId& project, const VolumeId& volume,
                              const std::optional<SnapshotId>& snapshot) const {
  model::Message message;
  message.id = MessageId(rng_.uuid());
  message.project_id = project;
  message.resource_type = snapshot ? "VOLUME_SNAPSHOT" : "VOLUME";
  message.resource_id = snapshot ? snapshot->str() : volume.str();
  message.created_at = clock_.now();
  message.expires_at = message.created_at + settings_.message_lifetime;
  return message;
}

void Messages::task_failed(store::Transaction& tx, const model::Task& task, const Error& fault) const {
  // A volume that could not be made from a snapshot is the volume's matter, and so is its rollback.
  using enum TaskKind;
  bool of_volume = task.kind == CreateVolume || task.kind == RollbackVolume || task.kind == RestoreBackup;
  model::Message message = make(task.project_id, task.volume_id, of_volume ? std::nullopt : task.snapshot_id);
  if (task.kind == BackupVolume || task.kind == DeleteBackup) {
    message.resource_type = "VOLUME_BACKUP";
    message.resource_id = task.with<BackupId>().str();
  } else if (task.kind == CreateGroupSnapshot) {
    message.resource_type = "VOLUME_GROUP_SNAPSHOT";
    message.resource_id = task.with<GroupSnapshotId>().str();
  }
  const Action& action = action_of(task.kind);
  Detail detail = detail_of(fault.code(), fault.message());
  message.event_id =
      "VOLUME_" + message.resource_type + "_" + std::string(action.number) + "_" + std::string(detail.number);
  message.level = "ERROR";
  message.text = std::string(action.text) + ":" + std::string(detail.text);
  message.request_id = task.request_id;
  tx.messages().insert(message);
}

std::optional<Messages::Told> Messages::last_failure(store::Transaction& tx, const std::string& resource,
                                                     std::span<const TaskKind> kinds) const {
  for (model::Message& message : tx.messages().about(resource)) {
    for (TaskKind kind : kinds) {
      std::string begin = std::string(action_of(kind).text) + ":";
      if (message.level != "ERROR" || !message.text.starts_with(begin)) continue;
      return Told{message.text.substr(begin.size()), std::move(message)};
    }
  }
  return std::nullopt;
}

void Messages::bytes_damaged(store::Transaction& tx, const ProjectId& project, const model::Damage& damage) const {
  std::optional<SnapshotId> snapshot;
  if (damage.id != damage.volume_id.str()) snapshot = SnapshotId(damage.id);
  model::Message message = make(project, damage.volume_id, snapshot);
  message.event_id = "VOLUME_" + message.resource_type + "_911_902";
  message.level = "ERROR";
  message.text = "check bytes:" + damage_text(damage.reason);
  tx.messages().insert(message);
}

void Messages::storage_daemon_died(store::Transaction& tx, const model::Volume& volume,
                                   const std::optional<SnapshotId>& snapshot) const {
  model::Message message = make(volume.project_id, volume.id, snapshot);
  message.event_id = "VOLUME_" + message.resource_type + "_905_901";
  message.level = "WARNING";
  message.text = "serve volume:Its storage daemon ended unexpectedly and was started again; clients reconnect.";
  tx.messages().insert(message);
}

boost::asio::awaitable<model::Page<model::Message>> Messages::list(model::PageQuery query) const {
  co_return co_await db_.read([&](store::Transaction& tx) {
    if (query.marker) tx.messages().get(query.project_id, MessageId(*query.marker));
    return tx.messages().list(query);
  });
}

boost::asio::awaitable<model::Message> Messages::show(model::Actor actor, MessageId id) const {
  co_return co_await db_.read([&](store::Transaction& tx) { return tx.messages().get(actor.scope(), id); });
}

boost::asio::awaitable<void> Messages::remove(model::Actor actor, MessageId id) {
  co_await db_.write([&](store::Transaction& tx) {
    tx.messages().get(actor.scope(), id);
    tx.messages().remove(id);
  });
}

}  // namespace varve::services
