// Attachments: who uses a volume, how, and where its bytes are served. Two ways in, one model:
//   attachments (Cinder 3.27 and up): create/update with a connector serves the bytes, complete() marks it in use,
//   remove()
//     ends it;
//   the older volume actions: reserve, initialize_connection, attach, ... detach, terminate_connection.
// Serving and ending are tasks; the calls that return connection data wait for them (bounded).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "model/actor.h"
#include "model/page.h"
#include "services/exports.h"
#include "services/tasks.h"

namespace varve::services {

struct AttachmentSpec {
  VolumeId volume_id;
  std::optional<SnapshotId>
      snapshot_id;  // its bytes instead of the volume's, read-only; the volume's status is untouched
  std::optional<std::string> instance_id;
  std::optional<std::string> connector;  // a JSON object, opaque; nullopt: reserve only
  std::optional<std::string> host_name;  // out of the connector
  std::optional<std::string> mountpoint;
  std::optional<model::AttachMode> mode;  // nullopt: what the volume allows
};

struct AttachSpec {
  std::optional<std::string> instance_id;
  std::optional<std::string> host_name;
  std::string mountpoint;
  model::AttachMode mode = model::AttachMode::ReadWrite;
};

class Attachments {
 public:
  Attachments(store::Database& db, Exports& exports, TaskRunner& tasks, Clock& clock, Rng& rng,
              const Settings& settings);

  boost::asio::awaitable<model::Attachment> create(model::Actor actor, AttachmentSpec spec);
  boost::asio::awaitable<model::Attachment> connect(model::Actor actor, AttachmentId id, AttachmentSpec connector);
  boost::asio::awaitable<void> complete(model::Actor actor, AttachmentId id);
  // Returns the attachments that the volume still has.
  boost::asio::awaitable<std::vector<model::Attachment>> remove(model::Actor actor, AttachmentId id);
  boost::asio::awaitable<model::Attachment> show(model::Actor actor, AttachmentId id) const;
  boost::asio::awaitable<model::Page<model::Attachment>> list(model::PageQuery query) const;

  boost::asio::awaitable<void> reserve(model::Actor actor, VolumeId id);
  boost::asio::awaitable<void> unreserve(model::Actor actor, VolumeId id);
  boost::asio::awaitable<void> begin_detaching(model::Actor actor, VolumeId id);
  boost::asio::awaitable<void> roll_detaching(model::Actor actor, VolumeId id);
  boost::asio::awaitable<model::Attachment> initialize_connection(model::Actor actor, AttachmentSpec spec);
  boost::asio::awaitable<void> terminate_connection(model::Actor actor, VolumeId id, std::optional<std::string> host);
  boost::asio::awaitable<void> attach(model::Actor actor, VolumeId id, AttachSpec spec);
  boost::asio::awaitable<void> detach(model::Actor actor, VolumeId id, std::optional<std::string> attachment);
  boost::asio::awaitable<void> detach_all(model::Actor actor, VolumeId id);
  // Who has the one volume has the other instead: one commit, whatever happens after it.
  boost::asio::awaitable<void> swap(model::Actor actor, VolumeId from, VolumeId to);

 private:
  void register_tasks();
  // An attachment, and the task that serves it if it is not served yet.
  struct Begun {
    model::Attachment attachment;
    std::optional<TaskId> task;
  };
  Begun begin_start(store::Transaction& tx, const model::Actor& actor, const model::Attachment& attachment);
  boost::asio::awaitable<model::Attachment> served(model::Actor actor, Begun begun);
  void undo_creation(const model::Task& task);
  TaskId begin_stop(store::Transaction& tx, const model::Actor& actor, const model::Attachment& attachment,
                    bool forget);
  void require_attachable(store::Transaction& tx, const model::Volume& volume, const AttachmentSpec& spec);
  void require_unused(store::Transaction& tx, const model::Volume& volume, const model::Attachment& but_for);
  model::Attachment new_attachment(const model::Actor& actor, const model::Volume& volume, const AttachmentSpec& spec);
  void attach_in(store::Transaction& tx, const model::Actor& actor, const VolumeId& id, const AttachSpec& spec);
  void move_volume(store::Transaction& tx, model::Volume volume, model::VolumeStatus to);
  void settle_volume(store::Transaction& tx, const VolumeId& id);

  store::Database& db_;
  Exports& exports_;
  TaskRunner& tasks_;
  Clock& clock_;
  Rng& rng_;
  const Settings& settings_;
};

}  // namespace varve::services
