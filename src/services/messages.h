// Messages: what happened to a resource after its call was answered. Written in the transaction of what they tell
// about, read by the owner, forgotten after Settings::message_lifetime. Source of ids and wording: Cinder's "Messages"
// API.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "model/actor.h"
#include "model/page.h"
#include "services/settings.h"
#include "store/database.h"

namespace varve::services {

class Messages {
 public:
  Messages(store::Database& db, Clock& clock, Rng& rng, const Settings& settings)
      : db_(db), clock_(clock), rng_(rng), settings_(settings) {}

  // In the caller's transaction. What went wrong inside the storage is told in general words; the log has the rest.
  void task_failed(store::Transaction& tx, const model::Task& task, const Error& fault) const;
  void bytes_damaged(store::Transaction& tx, const ProjectId& project, const model::Damage& damage) const;
  void storage_daemon_died(store::Transaction& tx, const model::Volume& volume,
                           const std::optional<SnapshotId>& snapshot) const;

  model::Page<model::Message> list(const model::PageQuery& query) const;
  model::Message show(const model::Actor& actor, const MessageId& id) const;
  boost::asio::awaitable<void> remove(model::Actor actor, MessageId id);

 private:
  model::Message make(const ProjectId& project, const VolumeId& volume,
                      const std::optional<std::string>& snapshot) const;

  store::Database& db_;
  Clock& clock_;
  Rng& rng_;
  const Settings& settings_;
};

}  // namespace varve::services
