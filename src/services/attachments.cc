#include "services/attachments.h"

#include <algorithm>

#include "services/states.h"

namespace varve::services {

namespace asio = boost::asio;
using model::Attachment;
using model::AttachmentStatus;
using model::AttachMode;
using model::Disconnection;
using model::Task;
using model::TaskKind;
using model::Volume;
using model::VolumeStatus;

namespace {

[[noreturn]] void invalid_volume(std::string message) {
  throw Error(ErrorCode::InvalidState, "Invalid volume: " + std::move(message));
}

AttachMode mode_for(const Volume& volume, std::optional<AttachMode> wanted) {
  AttachMode mode = wanted.value_or(volume.read_only ? AttachMode::ReadOnly : AttachMode::ReadWrite);
  if (volume.read_only && mode == AttachMode::ReadWrite) {
    throw Error(ErrorCode::InvalidInput,
                "Invalid attaching mode 'rw' for volume " + volume.id.str() + ": it is read-only.");
  }
  return mode;
}

}  // namespace

Attachments::Attachments(store::Database& db, Exports& exports, TaskRunner& tasks, Clock& clock, Rng& rng,
                         const Settings& settings)
    : db_(db), exports_(exports), tasks_(tasks), clock_(clock), rng_(rng), settings_(settings) {
  register_tasks();
}

void Attachments::move_volume(store::Transaction& tx, Volume volume, VolumeStatus to) {
  move_to(volume, to);
  volume.updated_at = clock_.now();
  tx.volumes().update(volume);
}

// After attachments changed: the volume's status follows from what is left of them. Those of snapshots do not count.
void Attachments::settle_volume(store::Transaction& tx, const VolumeId& id) {
  std::optional<Volume> volume = tx.volumes().find(std::nullopt, id);
  if (!volume) return;
  std::vector<Attachment> left = tx.attachments().of_volume(id);
  auto any = [&](AttachmentStatus status) {
    return std::any_of(left.begin(), left.end(), [&](const Attachment& one) { return one.status == status; });
  };
  // Any other status belongs to other work (extending, error ...), which looks at the attachments when it ends.
  constexpr VolumeStatus kOurs[] = {VolumeStatus::Available, VolumeStatus::Reserved, VolumeStatus::Attaching,
                                    VolumeStatus::InUse, VolumeStatus::Detaching};
  if (std::find(std::begin(kOurs), std::end(kOurs), volume->status) == std::end(kOurs)) return;
  VolumeStatus to = VolumeStatus::Available;
  if (any(AttachmentStatus::Attached) || any(AttachmentStatus::Detaching)) {
    to = VolumeStatus::InUse;
  } else if (any(AttachmentStatus::Attaching)) {
    to = VolumeStatus::Attaching;
  } else if (!left.empty()) {
    to = VolumeStatus::Reserved;
  } else if (tx.damages().find(id.str())) {
    to = VolumeStatus::Error;
  }
  if (volume->status != to && model::may_move(volume->status, to)) move_volume(tx, *volume, to);
}

Attachment Attachments::new_attachment(const model::Actor& actor, const Volume& volume, const AttachmentSpec& spec) {
  Attachment attachment;
  attachment.id = AttachmentId(rng_.uuid());
  attachment.project_id = volume.project_id;
  attachment.user_id = actor.user_id;
  attachment.volume_id = volume.id;
  attachment.instance_id = spec.instance_id;
  attachment.host_name = spec.host_name;
  attachment.mountpoint = spec.mountpoint;
  attachment.connector = spec.connector;
  attachment.snapshot_id = spec.snapshot_id;
  attachment.mode = spec.snapshot_id ? AttachMode::ReadOnly : mode_for(volume, spec.mode);
  attachment.status = spec.connector ? AttachmentStatus::Attaching : AttachmentStatus::Reserved;
  attachment.created_at = clock_.now();
  return attachment;
}

// A snapshot may be read by as many as like; a volume by one, or, if multiattach, by some.
void Attachments::require_attachable(store::Transaction& tx, const Volume& volume, const AttachmentSpec& spec) {
  std::vector<Attachment> present;
  if (spec.snapshot_id) {
    model::Snapshot snapshot = tx.snapshots().get(volume.project_id, *spec.snapshot_id);
    require_user_made(snapshot);
    if (snapshot.volume_id != volume.id) {
      throw Error(ErrorCode::InvalidInput,
                  "Snapshot " + snapshot.id.str() + " is not one of volume " + volume.id.str() + ".");
    }
    if (snapshot.status != model::SnapshotStatus::Available) {
      throw Error(ErrorCode::InvalidState, "Invalid snapshot: Snapshot " + snapshot.id.str() +
                                               " status must be available to attach it, but current status is: " +
                                               std::string(to_string(snapshot.status)) + ".");
    }
    present = tx.attachments().of_snapshot(snapshot.id);
  } else {
    present = tx.attachments().of_volume(volume.id);
    if (present.empty()) {
      require_status(volume, {VolumeStatus::Available}, "attach it");
    } else if (!volume.multiattach) {
      invalid_volume("Volume " + volume.id.str() + " status must be available to reserve, but it has an attachment (" +
                     present.front().id.str() + ") and is not multiattach.");
    } else {
      require_status(volume, {VolumeStatus::InUse, VolumeStatus::Reserved, VolumeStatus::Attaching}, "attach it again");
    }
  }
  if (static_cast<std::int64_t>(present.size()) >= settings_.max_attachments_per_volume) {
    invalid_volume("Volume " + volume.id.str() + " has " + std::to_string(present.size()) +
                   " attachments, the most that is allowed.");
  }
}

// Beside a reservation os-attach may have given a volume to somebody else, or a connection may have been initialized.
void Attachments::require_unused(store::Transaction& tx, const Volume& volume, const Attachment& but_for) {
  if (volume.multiattach || but_for.snapshot_id) return;
  for (const Attachment& one : tx.attachments().of_volume(volume.id)) {
    bool is_reserved = one.status == AttachmentStatus::Reserved && !one.connector;
    bool waits = !one.connection && (is_reserved || one.status == AttachmentStatus::ErrorAttaching);
    if (!waits && one.id != but_for.id) {
      invalid_volume("Volume " + volume.id.str() + " is used by attachment " + one.id.str() +
                     " and is not multiattach.");
    }
  }
}

asio::awaitable<Attachment> Attachments::create(model::Actor actor, AttachmentSpec spec) {
  Begun begun = co_await db_.write([&](store::Transaction& tx) -> Begun {
    Volume volume = tx.volumes().get(actor.scope(), spec.volume_id);
    require_attachable(tx, volume, spec);
    Attachment attachment = new_attachment(actor, volume, spec);
    tx.attachments().insert(attachment);
    if (!spec.snapshot_id && volume.status == VolumeStatus::Available) {
      move_volume(tx, volume, spec.connector ? VolumeStatus::Attaching : VolumeStatus::Reserved);
    }
    if (!spec.connector) return {attachment, std::nullopt};
    return begin_start(tx, actor, attachment);
  });
  co_return co_await served(actor, begun);
}

asio::awaitable<Attachment> Attachments::connect(model::Actor actor, AttachmentId id, AttachmentSpec spec) {
  Begun begun = co_await db_.write([&](store::Transaction& tx) -> Begun {
    Attachment attachment = tx.attachments().get(actor.scope(), id);
    Volume volume = tx.volumes().get(std::nullopt, attachment.volume_id);
    if (attachment.status == AttachmentStatus::Detaching) {
      invalid_volume("attachment " + id.str() + " is being deleted.");
    }
    if (attachment.connection) return {attachment, std::nullopt};  // connected already: the same answer again
    require_unused(tx, volume, attachment);
    attachment.connector = spec.connector;
    if (spec.host_name) attachment.host_name = spec.host_name;
    if (spec.mountpoint) attachment.mountpoint = spec.mountpoint;
    if (spec.mode && !attachment.snapshot_id) attachment.mode = mode_for(volume, spec.mode);
    if (attachment.status != AttachmentStatus::Attached) attachment.status = AttachmentStatus::Attaching;
    attachment.updated_at = clock_.now();
    tx.attachments().update(attachment);
    if (!attachment.snapshot_id && volume.status == VolumeStatus::Reserved) {
      move_volume(tx, volume, VolumeStatus::Attaching);
    }
    return begin_start(tx, actor, attachment);
  });
  co_return co_await served(actor, begun);
}

Attachments::Begun Attachments::begin_start(store::Transaction& tx, const model::Actor& actor,
                                            const Attachment& attachment) {
  if (attachment.connection) return {attachment, std::nullopt};
  Task task = tasks_.make(TaskKind::StartExport, actor, attachment.volume_id);
  task.attachment_id = attachment.id;
  task.snapshot_id = attachment.snapshot_id;
  task.project_id = attachment.project_id;
  tx.tasks().insert(task);
  return {attachment, task.id};
}

asio::awaitable<Attachment> Attachments::served(model::Actor actor, Begun begun) {
  if (!begun.task) co_return begun.attachment;
  std::vector<TaskId> task{*begun.task};
  co_await tasks_.ended(task, settings_.export_timeout);
  co_return co_await show(actor, begun.attachment.id);
}

// forget: the attachment goes with its export; otherwise it stays, unconnected. Which exports end is decided in the
// commit that ends them: what another call has ended meanwhile is not among them. One that another call is ending is
// what it was before that call, should both fail.
TaskId Attachments::begin_stop(store::Transaction& tx, const model::Actor& actor, const Attachment& attachment,
                               bool forget) {
  Task task = tasks_.make(TaskKind::StopExport, actor, attachment.volume_id);
  task.attachment_id = attachment.id;
  task.snapshot_id = attachment.snapshot_id;
  task.project_id = attachment.project_id;
  Disconnection payload{forget, attachment.status};
  if (attachment.status == AttachmentStatus::Detaching) {
    payload.before = AttachmentStatus::Attached;
    for (const Task& other : tx.tasks().live_of(attachment.volume_id)) {
      bool ends_it = other.kind == TaskKind::StopExport && other.attachment_id == task.attachment_id;
      if (ends_it) payload.before = other.with<Disconnection>().before;
    }
  }
  task.payload = payload;
  Attachment present = attachment;
  present.status = AttachmentStatus::Detaching;  // from now on nobody brings its export back
  tx.attachments().update(present);
  tx.tasks().insert(task);
  return task.id;
}

asio::awaitable<void> Attachments::complete(model::Actor actor, AttachmentId id) {
  co_await db_.write([&](store::Transaction& tx) {
    Attachment attachment = tx.attachments().get(actor.scope(), id);
    if (attachment.status == AttachmentStatus::Attached) return;
    if (attachment.status != AttachmentStatus::Attaching && attachment.status != AttachmentStatus::Reserved) {
      invalid_volume("attachment " + id.str() + " is " + std::string(to_string(attachment.status)) +
                     ", not attaching.");
    }
    require_unused(tx, tx.volumes().get(std::nullopt, attachment.volume_id), attachment);
    attachment.status = AttachmentStatus::Attached;
    attachment.attached_at = clock_.now();
    attachment.updated_at = attachment.attached_at;
    tx.attachments().update(attachment);
    if (!attachment.snapshot_id) settle_volume(tx, attachment.volume_id);
  });
}

asio::awaitable<std::vector<Attachment>> Attachments::remove(model::Actor actor, AttachmentId id) {
  VolumeId volume;
  std::vector<TaskId> stops = co_await db_.write([&](store::Transaction& tx) {
    Attachment attachment = tx.attachments().get(actor.scope(), id);
    volume = attachment.volume_id;
    return std::vector{begin_stop(tx, actor, attachment, true)};
  });
  co_await tasks_.ended(stops, settings_.export_timeout);
  co_return co_await db_.read([&](store::Transaction& tx) { return tx.attachments().of_volume(volume); });
}

boost::asio::awaitable<Attachment> Attachments::show(model::Actor actor, AttachmentId id) const {
  co_return co_await db_.read([&](store::Transaction& tx) { return tx.attachments().get(actor.scope(), id); });
}

boost::asio::awaitable<model::Page<Attachment>> Attachments::list(model::PageQuery query) const {
  co_return co_await db_.read([&](store::Transaction& tx) {
    if (query.marker) tx.attachments().get(query.project_id, AttachmentId(*query.marker));
    return tx.attachments().list(query);
  });
}

// Of a creation that has failed nobody knows the attachment's id: it goes, once nothing serves it. The first attempt is
// before the task ends.
void Attachments::undo_creation(const Task& task) {
  auto is_just_made = [&](store::Transaction& tx) {
    std::optional<Attachment> made = tx.attachments().find(std::nullopt, task.attachment_id.value());
    bool is_waiting =
        made && (made->status == AttachmentStatus::Attaching || made->status == AttachmentStatus::ErrorAttaching);
    return is_waiting && !made->connection && !made->updated_at;
  };
  // Somebody may have found and connected it meanwhile, and be served.
  auto is_still = [&] { return db_.read_blocking([&](store::Transaction& tx) { return is_just_made(tx); }); };
  exports_.stop_if(task.exported(), task.attachment_id.value(), is_still);
  db_.write_blocking([&](store::Transaction& tx) {
    if (!is_just_made(tx)) return;
    tx.attachments().remove(task.attachment_id.value());
    if (!task.snapshot_id) settle_volume(tx, task.volume_id);
  });
}

void Attachments::register_tasks() {
  auto find = [](store::Transaction& tx, const Task& task) {
    return tx.attachments().find(std::nullopt, task.attachment_id.value());
  };

  auto settle = [this](store::Transaction& tx, const Task& task) {
    if (!task.snapshot_id) settle_volume(tx, task.volume_id);
  };

  auto serve = [this](const Task& task) { exports_.start(task.exported(), task.attachment_id.value()); };
  tasks_.handle(TaskKind::StartExport,
                {serve, [](store::Transaction&, const Task&) {},  // the commit that asked for it has moved the volume
                 [settle, find](store::Transaction& tx, const Task& task, const Error&) {
                   if (auto attachment = find(tx, task)) {
                     attachment->status = AttachmentStatus::ErrorAttaching;
                     tx.attachments().update(*attachment);
                   }
                   settle(tx, task);
                 },
                 [this](const Task& task) { undo_creation(task); }});

  tasks_.handle(TaskKind::StopExport,
                {[this](const Task& task) { exports_.stop(task.exported(), task.attachment_id.value()); },
                 [settle, find](store::Transaction& tx, const Task& task) {
                   auto attachment = find(tx, task);
                   if (attachment && task.with<Disconnection>().forget) {
                     tx.attachments().remove(attachment->id);
                     settle(tx, task);
                   } else if (attachment) {
                     attachment->status = task.with<Disconnection>().before;
                     attachment->connection.reset();
                     attachment->connector.reset();
                     tx.attachments().update(*attachment);
                   }
                 },
                 [settle, find](store::Transaction& tx, const Task& task, const Error&) {
                   auto attachment = find(tx, task);
                   if (!attachment) return;
                   attachment->status = task.with<Disconnection>().before;
                   tx.attachments().update(*attachment);
                   settle(tx, task);
                 }});
}

}  // namespace varve::services
