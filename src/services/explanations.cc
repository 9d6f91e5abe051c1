#include "services/explanations.h"

#include <algorithm>
#include <span>
#include <vector>

#include "base/error.h"

namespace varve::services {

using model::Task;
using model::TaskKind;

std::string_view to_string(Explained kind) {
  switch (kind) {
    case Explained::Volume:
      return "volume";
    case Explained::Snapshot:
      return "snapshot";
    case Explained::Backup:
      return "backup";
    case Explained::Attachment:
      return "attachment";
  }
  return "volume";
}

// What is explained, as far as the rules below need it.
struct Explanations::Object {
  Explained kind = Explained::Volume;
  std::string id;
  std::string status;
  VolumeId volume;
  std::optional<VolumeId> source;      // volume: what it is made from
  std::optional<SnapshotId> snapshot;  // attachment: whose bytes it has, if not its volume's
  std::optional<GroupSnapshotId> group_snapshot;
  std::optional<std::string> fail_reason;
  std::vector<model::Source> served;  // what should be served
  Timestamp changed_at;

  bool is(Explained wanted) const { return kind == wanted; }
  // Whose damage is its own.
  std::string bytes() const {
    if (!is(Explained::Attachment)) return id;
    return snapshot ? snapshot->str() : volume.str();
  }
};

namespace {

using enum TaskKind;

// A status that only a call ends: what it waits for ("": nothing), and what ends it.
struct Rest {
  Explained kind;
  std::string_view status;
  std::string_view waits_for;
  std::string_view ends_with;
};

constexpr Rest kRests[] = {
    {Explained::Volume, "available", "", "the next call"},
    {Explained::Volume, "in-use", "", "the deletion of its last attachment"},
    {Explained::Volume, "reserved", "a client that names its connector",
     "a connector for its attachment, or the attachment's deletion (os-unreserve)"},
    {Explained::Volume, "attaching", "a client that completes its attachment",
     "os-complete of its attachment (os-attach), or the attachment's deletion (os-unreserve)"},
    {Explained::Volume, "detaching", "the client that began to detach it",
     "os-detach or the deletion of its attachment; os-roll_detaching takes it back"},
    {Explained::Volume, "awaiting-transfer", "somebody who accepts its transfer",
     "the transfer's acceptance or deletion"},
    {Explained::Volume, "maintenance", "an administrator", "os-reset_status by an administrator"},
    {Explained::Volume, "error", "", "its deletion, or os-reimage"},
    {Explained::Volume, "error_extending", "", "os-extend again, or its deletion"},
    {Explained::Volume, "error_rollbacking", "", "revert again (its old data is still there), or its deletion"},
    {Explained::Volume, "error_restoring", "", "a backup restored again, or its deletion"},
    {Explained::Volume, "error_deleting", "", "its deletion again"},
    {Explained::Snapshot, "available", "", "the next call"},
    {Explained::Snapshot, "error", "", "its deletion"},
    {Explained::Snapshot, "error_deleting", "", "its deletion again"},
    {Explained::Backup, "available", "", "the next call"},
    {Explained::Backup, "error", "", "its deletion"},
    {Explained::Backup, "error_deleting", "", "its deletion again"},
    {Explained::Attachment, "reserved", "a client that names its connector", "a connector for it, or its deletion"},
    {Explained::Attachment, "attaching", "a client that completes it", "os-complete, or its deletion"},
    {Explained::Attachment, "attached", "", "its deletion"},
    {Explained::Attachment, "error_attaching", "", "its deletion, or a connector for it again"},
};

// Only a task may hold it, and there is none: somebody edited the database.
constexpr Rest kOrphan = {Explained::Volume, "", "a task that is not there",
                          "the next start of varved, which makes it an error status; os-reset_status"};

const Rest& rest_of(Explained kind, std::string_view status) {
  for (const Rest& rest : kRests) {
    if (rest.kind == kind && rest.status == status) return rest;
  }
  return kOrphan;
}

// Which tasks, when they fail, leave which status.
struct Cause {
  Explained kind;
  std::string_view status;
  std::vector<TaskKind> tasks;
};

const std::vector<Cause>& causes() {
  static const std::vector<Cause> kCauses = {
      {Explained::Volume,
       "error",
       {CreateVolume, CreateVolumeFromImage, CreateVolumeFromBackup, ReimageVolume, ManageVolume}},
      {Explained::Volume, "error_extending", {ExtendVolume}},
      {Explained::Volume, "error_rollbacking", {RollbackVolume}},
      {Explained::Volume, "error_restoring", {RestoreBackup, CreateVolumeFromBackup}},
      {Explained::Volume, "error_deleting", {DeleteVolume}},
      {Explained::Snapshot, "error", {CreateSnapshot, ManageSnapshot, CreateGroupSnapshot}},
      {Explained::Snapshot, "error_deleting", {DeleteSnapshot, DeleteVolume}},
      {Explained::Backup, "error", {BackupVolume}},
      {Explained::Backup, "error_deleting", {DeleteBackup}},
      {Explained::Attachment, "error_attaching", {StartExport}},
      {Explained::Attachment, "attached", {StopExport}},
  };
  return kCauses;
}

std::span<const TaskKind> causes_of(Explained kind, std::string_view status) {
  for (const Cause& cause : causes()) {
    if (cause.kind == kind && cause.status == status) return cause.tasks;
  }
  return {};
}

bool is_one_of(TaskKind kind, std::span<const TaskKind> kinds) {
  return std::ranges::find(kinds, kind) != kinds.end();
}

bool is_error(std::string_view status) {
  return status.starts_with("error");
}

std::string_view waited_for(Whereabouts::For what) {
  switch (what) {
    case Whereabouts::For::Nothing:
      return "";
    case Whereabouts::For::Turn:
      return "another task of the volume, which is before it";
    case Whereabouts::For::Worker:
      return "a free worker";
    case Whereabouts::For::Storage:
      return "the storage, which takes longer than usual";
    case Whereabouts::For::Copy:
      return "the copy of the bytes, which takes as long as there are many";
    case Whereabouts::For::Database:
      return "the database: the work is done, but its end could not be written";
  }
  return "";
}

}  // namespace

Explanations::Object Explanations::read(store::Transaction& tx, const model::Actor& actor, Explained kind,
                                        const std::string& id) {
  Object out;
  out.kind = kind;
  out.id = id;
  auto serve = [&](const std::vector<model::Attachment>& attachments) {
    for (const model::Attachment& one : attachments) {
      bool known = !out.served.empty() && out.served.back() == one.source();
      if (one.connection && !known) out.served.push_back(one.source());
    }
  };
  auto fill = [&](const auto& row) {
    out.status = to_string(row.status);
    out.changed_at = row.updated_at.value_or(row.created_at);
  };
  if (kind == Explained::Volume) {
    model::Volume row = tx.volumes().get(actor.scope(), VolumeId(id));
    fill(row);
    out.volume = row.id;
    out.source = row.source_volume_id;
    serve(tx.attachments().of_volume(row.id));
  } else if (kind == Explained::Snapshot) {
    model::Snapshot row = tx.snapshots().get(actor.scope(), SnapshotId(id));
    fill(row);
    out.volume = row.volume_id;
    out.group_snapshot = row.group_snapshot_id;
    serve(tx.attachments().of_snapshot(row.id));
  } else if (kind == Explained::Backup) {
    model::Backup row = tx.backups().get(actor.scope(), BackupId(id));
    fill(row);
    out.volume = row.volume_id;
    out.fail_reason = row.fail_reason;
  } else {
    model::Attachment row = tx.attachments().get(actor.scope(), AttachmentId(id));
    fill(row);
    out.volume = row.volume_id;
    out.snapshot = row.snapshot_id;
    serve({row});
  }
  return out;
}

namespace {

// A task of the object's volume, or of none: does the object's status follow from it?
bool concerns(const Task& task, Explained kind, const std::string& id,
              const std::optional<GroupSnapshotId>& group_snapshot) {
  bool of_snapshot = is_one_of(task.kind, std::vector{CreateSnapshot, DeleteSnapshot, ManageSnapshot});
  bool of_export = task.kind == StartExport || task.kind == StopExport;
  switch (kind) {
    case Explained::Volume:
      if (task.volume_id.str() != id || of_snapshot) return false;
      if (of_export) return !task.snapshot_id;
      // A backup of one of its snapshots leaves the volume alone.
      return task.kind != BackupVolume || task.resume_status.has_value();
    case Explained::Snapshot:
      if (task.kind == CreateGroupSnapshot) return group_snapshot && task.payload == model::Payload(*group_snapshot);
      if (task.kind == DeleteVolume) return true;
      return task.snapshot_id == SnapshotId(id) && task.kind != CreateVolume;
    case Explained::Backup:
      return task.payload == model::Payload(BackupId(id)) &&
             is_one_of(task.kind, std::vector{BackupVolume, RestoreBackup, CreateVolumeFromBackup, DeleteBackup});
    case Explained::Attachment:
      return task.attachment_id == AttachmentId(id);
  }
  return false;
}

}  // namespace

// A restoration's volume need not be the backup's.
std::optional<Task> Explanations::live_task(store::Transaction& tx, const Object& object) {
  std::vector<Task> tasks = tx.tasks().live_of(object.volume);
  auto add = [&](TaskKind kind, const model::Payload& payload) {
    for (Task& task : tx.tasks().live_with(kind, payload)) tasks.push_back(std::move(task));
  };
  if (object.is(Explained::Backup)) {
    for (TaskKind kind : {DeleteBackup, RestoreBackup, CreateVolumeFromBackup}) add(kind, BackupId(object.id));
  }
  if (object.group_snapshot) add(CreateGroupSnapshot, *object.group_snapshot);
  std::optional<Task> found;
  for (Task& task : tasks) {
    if (!concerns(task, object.kind, object.id, object.group_snapshot)) continue;
    if (task.kind == DeleteVolume && object.status != "deleting") continue;
    bool of_export = task.kind == StartExport || task.kind == StopExport;
    // What owns a transitional status is told rather than an export's task beside it.
    if (!found || (!of_export && (found->kind == StartExport || found->kind == StopExport))) found = std::move(task);
  }
  return found;
}

void Explanations::find_reason(store::Transaction& tx, const Object& object, Explanation& out) const {
  std::optional<model::Damage> damage;
  if (!object.is(Explained::Backup)) {
    damage = tx.damages().find(object.bytes());
  }
  if (damage && (object.status == "error" || !is_error(object.status))) {
    out.reason = damage_text(damage->reason);
    out.since = damage->found_at;
    out.detail.error = damage->reason;
    if (object.status == "error") {
      out.ends_with = "bytes that can be read again, once an operator has mended them; or its deletion";
    }
    return;
  }
  std::span<const TaskKind> kinds = causes_of(object.kind, object.status);
  if (kinds.empty()) return;
  std::vector<Task> failed = tx.tasks().failed_of(object.volume);
  bool elsewhere = is_one_of(DeleteBackup, kinds) || is_one_of(CreateGroupSnapshot, kinds);
  if (elsewhere) std::ranges::move(tx.tasks().failed_of(VolumeId()), std::back_inserter(failed));
  for (const Task& task : failed) {
    if (!is_one_of(task.kind, kinds) || !concerns(task, object.kind, object.id, object.group_snapshot)) continue;
    ErrorCode code = parse_error_code(task.error_code.value_or("")).value_or(ErrorCode::Internal);
    out.reason = failure_text(code, task.error.value_or(""));
    out.since = task.ended_at.value_or(object.changed_at);
    out.detail = {task.error, task.error_code, task.id.str(), task.request_id};
    if (task.undo_left) {
      out.settled = false;
      out.waits_for = "what its failed task left outside of the store, which is yet to be taken away";
    }
    return;
  }
  if (!is_error(object.status)) return;
  out.detail.error = object.fail_reason;
  // The history of tasks is forgotten before the messages are.
  if (auto told = messages_.last_failure(tx, object.id, kinds)) {
    out.reason = told->detail;
    out.since = told->message.created_at;
    out.detail.request_id = told->message.request_id;
    return;
  }
  out.reason = "Nothing is known of why: an administrator may have set the status, or it is too long ago.";
}

void Explanations::look_at_storage(const Task& task, const Object& object, Explanation& out) const {
  int layers = backend_.layers_awaited(object.volume);
  if (object.source && task.kind == CreateVolume) layers = std::max(layers, backend_.layers_awaited(*object.source));
  if (layers > 0) {
    out.waits_for = "the layers of " + std::to_string(layers) + " deleted snapshots, which are merged first";
    out.ends_with = "merges of most of them; or a minute in which none ends, after which the task goes on without";
    return;
  }
  bool known = exports_.stalled({task.volume_id, std::nullopt});
  if (task.snapshot_id) known = known || exports_.stalled({task.volume_id, task.snapshot_id});
  if (known) out.waits_for = "the storage daemon, which does not answer";
  out.ends_with = "the storage's answer, or the time-out for it, with which the task fails";
}

void Explanations::look_at_work(const Task& task, const Object& object, Explanation& out) const {
  Whereabouts unknown;
  unknown.state = Whereabouts::State::Running;  // it begins or ends at this moment
  unknown.since = task.created_at;
  Whereabouts where = tasks_.whereabouts(task).value_or(unknown);
  out.work = Explanation::Work{task, where};
  out.settled = false;
  out.since = where.since;
  out.waits_for.reset();
  if (std::string_view what = waited_for(where.waits_for); !what.empty()) out.waits_for = what;
  out.ends_with = "the end of its task, which comes well or not; after a restart of varved it goes on";
  if (where.waits_for == Whereabouts::For::Turn) {
    out.ends_with = "the end of the task before it, and then of its own";
  } else if (where.waits_for == Whereabouts::For::Storage) {
    look_at_storage(task, object, out);
  } else if (where.waits_for == Whereabouts::For::Database) {
    out.ends_with = "the end written, which is tried again and again, and after a restart of varved";
  }
  out.detail = {std::nullopt, std::nullopt, task.id.str(), task.request_id};
}

// Clients wait for what should be served; nothing of that is in a status.
void Explanations::look_at_exports(const Object& object, Explanation& out) const {
  for (const model::Source& source : object.served) {
    if (auto missing = restorer_.find(source)) {
      out.missing_export = missing;
      out.settled = false;
      out.since = missing->since;
      out.waits_for = "its export, which is not there now and is being brought back";
      out.ends_with = "the export, which is tried again until it is there; or the deletion of the attachment";
      if (!missing->error.empty()) out.detail.error = missing->error;
      return;
    }
    if (exports_.stalled(source)) {
      out.settled = false;
      out.waits_for = "the storage daemon, which does not answer";
      out.ends_with = "the storage daemon's answer, with which everything goes on; an operator can end the daemon";
      return;
    }
  }
}

namespace {

std::string summary_of(const Explanation& told) {
  std::string out = "The " + std::string(to_string(told.resource)) + " is " + told.status;
  if (told.work) {
    out += ": its task " + std::string(to_string(told.work->task.kind));
    switch (told.work->where.state) {
      case Whereabouts::State::Queued:
        out += " is queued";
        break;
      case Whereabouts::State::Running:
        out += " is at work";
        break;
      case Whereabouts::State::Waiting:
        out += " has begun and is held up";
        break;
    }
    return out + (told.waits_for ? " and waits for " + *told.waits_for + "." : ".");
  }
  bool waits = told.waits_for && !told.settled;
  if (told.reason) return out + ". " + *told.reason + (waits ? " It waits for " + *told.waits_for + "." : "");
  if (waits) return out + " and waits for " + *told.waits_for + ".";
  if (told.waits_for) return out + ": no task works on it, it waits for " + *told.waits_for + ".";
  return out + " and waits for nothing.";
}

}  // namespace

boost::asio::awaitable<Explanation> Explanations::explain(model::Actor actor, Explained kind, std::string id) const {
  Explanation out;
  co_await db_.read([&](store::Transaction& tx) {
    out = {};
    Object object = read(tx, actor, kind, id);
    out.resource = kind;
    out.id = id;
    out.status = object.status;
    out.since = object.changed_at;
    const Rest& rest = rest_of(kind, object.status);
    if (!rest.waits_for.empty()) out.waits_for = rest.waits_for;
    out.ends_with = rest.ends_with;
    if (std::optional<Task> task = live_task(tx, object)) {
      look_at_work(*task, object, out);
    } else {
      find_reason(tx, object, out);
      look_at_exports(object, out);
    }
  });
  out.summary = summary_of(out);
  co_return out;
}

}  // namespace varve::services
