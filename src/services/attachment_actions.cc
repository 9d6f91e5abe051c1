// The older way to attach: volume actions. Source: Cinder's API reference, "Volume actions"; EVS, "os-attach" and its
// kin.

#include <algorithm>

#include "services/attachments.h"
#include "services/states.h"

namespace varve::services {

namespace asio = boost::asio;
using model::Attachment;
using model::AttachmentStatus;
using model::Volume;
using model::VolumeStatus;

asio::awaitable<void> Attachments::reserve(model::Actor actor, VolumeId id) {
  co_await db_.write([&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), id);
    if (volume.multiattach) {
      require_status(volume, {VolumeStatus::Available, VolumeStatus::InUse}, "reserve");
    } else {
      require_status(volume, {VolumeStatus::Available}, "reserve");
    }
    move_volume(tx, volume, VolumeStatus::Attaching);
  });
}

asio::awaitable<void> Attachments::unreserve(model::Actor actor, VolumeId id) {
  co_await db_.write([&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), id);
    if (volume.status == VolumeStatus::Attaching) settle_volume(tx, id);
  });
}

asio::awaitable<void> Attachments::begin_detaching(model::Actor actor, VolumeId id) {
  co_await db_.write([&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), id);
    require_status(volume, {VolumeStatus::InUse}, "begin detaching");
    move_volume(tx, volume, VolumeStatus::Detaching);
  });
}

asio::awaitable<void> Attachments::roll_detaching(model::Actor actor, VolumeId id) {
  co_await db_.write([&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), id);
    if (volume.status == VolumeStatus::Detaching) move_volume(tx, volume, VolumeStatus::InUse);
  });
}

namespace {

// The host's own, else one that has no host yet: one in use before a reservation.
std::optional<Attachment> for_host(const std::vector<Attachment>& present, const std::optional<std::string>& host) {
  std::optional<Attachment> found;
  auto fits = [&](const Attachment& one) {
    if (one.status == AttachmentStatus::Detaching) return 0;
    if (one.connector) return one.host_name == host ? 3 : 0;
    return one.status == AttachmentStatus::Reserved ? 1 : 2;
  };
  int best = 0;
  for (const Attachment& one : present) {
    if (fits(one) <= best) continue;
    best = fits(one);
    found = one;
  }
  return found;
}

}  // namespace

asio::awaitable<Attachment> Attachments::initialize_connection(model::Actor actor, AttachmentSpec spec) {
  Begun begun = co_await db_.write([&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), spec.volume_id);
    require_status(volume,
                   {VolumeStatus::Available, VolumeStatus::Attaching, VolumeStatus::Reserved, VolumeStatus::InUse},
                   "initialize a connection");
    std::vector<Attachment> present = tx.attachments().of_volume(volume.id);
    if (std::optional<Attachment> found = for_host(present, spec.host_name)) {
      Attachment& attachment = *found;
      require_unused(tx, volume, attachment);
      attachment.connector = spec.connector;
      attachment.host_name = spec.host_name;  // who may ask again, and end it
      tx.attachments().update(attachment);
      return begin_start(tx, actor, attachment);
    }
    if (!present.empty() && !volume.multiattach) {
      throw Error(ErrorCode::InvalidState, "Invalid volume: Volume " + volume.id.str() +
                                               " is connected to another host and is not multiattach.");
    }
    Attachment attachment = new_attachment(actor, volume, spec);
    tx.attachments().insert(attachment);
    if (volume.status == VolumeStatus::Available) move_volume(tx, volume, VolumeStatus::Attaching);
    return begin_start(tx, actor, attachment);
  });
  Attachment made = co_await served(actor, begun);
  if (!made.connection) {
    throw Error(ErrorCode::InvalidState, "Invalid volume: Volume " + made.volume_id.str() +
                                             " is not connected: that failed, or was ended by another call.");
  }
  co_return made;
}

asio::awaitable<void> Attachments::terminate_connection(model::Actor actor, VolumeId id,
                                                        std::optional<std::string> host) {
  std::vector<TaskId> all = co_await db_.write([&](store::Transaction& tx) {
    std::vector<TaskId> stops;
    Volume volume = tx.volumes().get(actor.scope(), id);
    for (const Attachment& one : tx.attachments().of_volume(volume.id)) {
      if (!one.connection || (host && one.host_name != host)) continue;
      bool never_attached = one.status == AttachmentStatus::Attaching;
      stops.push_back(begin_stop(tx, actor, one, never_attached));
    }
    return stops;
  });
  co_await tasks_.ended(all, settings_.export_timeout);
}

void Attachments::attach_in(store::Transaction& tx, const model::Actor& actor, const VolumeId& id,
                            const AttachSpec& spec) {
  Volume volume = tx.volumes().get(actor.scope(), id);
  std::vector<Attachment> present = tx.attachments().of_volume(id);
  auto is_same = [&](const Attachment& one) {
    return one.status == AttachmentStatus::Attached && one.instance_id == spec.instance_id &&
           (spec.instance_id || one.host_name == spec.host_name);
  };
  if (std::any_of(present.begin(), present.end(), is_same)) return;
  // One whose connection is being terminated is attached again after that.
  bool used = std::any_of(present.begin(), present.end(), [](const Attachment& one) {
    return one.status == AttachmentStatus::Attached || one.status == AttachmentStatus::Detaching;
  });
  if (used && !volume.multiattach) {
    throw Error(ErrorCode::InvalidState,
                "Error attaching volume - InvalidVolume: Invalid volume: volume is already attached and multiple "
                "attachments are not enabled");
  }
  require_status(volume,
                 {VolumeStatus::Available, VolumeStatus::Attaching, VolumeStatus::Reserved, VolumeStatus::InUse},
                 "attach");
  AttachmentSpec wanted;
  wanted.volume_id = id;
  wanted.mode = spec.mode;
  auto waiting = std::find_if(present.begin(), present.end(),
                              [](const Attachment& one) { return one.status == AttachmentStatus::Attaching; });
  bool is_new = waiting == present.end();
  Attachment attachment = is_new ? new_attachment(actor, volume, wanted) : *waiting;
  attachment.instance_id = spec.instance_id;
  if (spec.host_name) attachment.host_name = spec.host_name;
  attachment.mountpoint = spec.mountpoint;
  attachment.status = AttachmentStatus::Attached;
  attachment.attached_at = clock_.now();
  attachment.updated_at = attachment.attached_at;
  if (is_new) {
    tx.attachments().insert(attachment);
  } else {
    tx.attachments().update(attachment);
  }
  move_volume(tx, volume, VolumeStatus::InUse);
}

asio::awaitable<void> Attachments::attach(model::Actor actor, VolumeId id, AttachSpec spec) {
  co_await db_.write([&](store::Transaction& tx) { attach_in(tx, actor, id, spec); });
}

asio::awaitable<void> Attachments::detach(model::Actor actor, VolumeId id, std::optional<std::string> attachment_id) {
  std::vector<TaskId> all = co_await db_.write([&](store::Transaction& tx) {
    std::vector<TaskId> stops;
    Volume volume = tx.volumes().get(actor.scope(), id);
    std::vector<Attachment> present = tx.attachments().of_volume(id);
    if (!attachment_id && present.size() > 1) {
      throw Error(
          ErrorCode::InvalidState,
          "Error detaching volume - InvalidVolume: Invalid volume: Detach volume failed: More than one attachment, "
          "but no attachment_id provided.");
    }
    for (const Attachment& one : present) {
      if (!attachment_id || one.id.str() == *attachment_id) stops.push_back(begin_stop(tx, actor, one, true));
    }
    if (stops.empty()) settle_volume(tx, id);
    return stops;
  });
  co_await tasks_.ended(all, settings_.export_timeout);
}

asio::awaitable<void> Attachments::detach_all(model::Actor actor, VolumeId id) {
  std::vector<TaskId> all = co_await db_.write([&](store::Transaction& tx) {
    std::vector<TaskId> stops;
    tx.volumes().get(actor.scope(), id);
    for (const Attachment& one : tx.attachments().of_volume(id)) stops.push_back(begin_stop(tx, actor, one, true));
    return stops;
  });
  co_await tasks_.ended(all, settings_.export_timeout);
}

asio::awaitable<void> Attachments::swap(model::Actor actor, VolumeId from, VolumeId to) {
  if (from == to) throw Error(ErrorCode::InvalidInput, "Volume " + to.str() + " cannot take the place of itself.");
  std::vector<TaskId> all = co_await db_.write([&](store::Transaction& tx) {
    std::vector<TaskId> stops;
    tx.volumes().get(actor.scope(), from);
    for (const Attachment& one : tx.attachments().of_volume(from)) {
      if (one.status != AttachmentStatus::Attached) continue;
      attach_in(tx, actor, to, {one.instance_id, one.host_name, one.mountpoint.value_or("na"), one.mode});
      stops.push_back(begin_stop(tx, actor, one, true));
    }
    return stops;
  });
  co_await tasks_.ended(all, settings_.export_timeout);
}

}  // namespace varve::services
