// Messages: what happened to a resource after its call was answered. Written in the transaction of what they tell
// about, read by the owner, forgotten after Settings::message_lifetime. Source of ids and wording: Cinder's "Messages"
// API.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "model/actor.h"
#include "model/page.h"
#include "services/settings.h"
#include "store/database.h"

namespace varve::services {

// The words that owners read about a failure, wherever they read of it: nothing of the storage's insides. error: a
// task's, as it was thrown.
std::string_view failed_action(model::TaskKind kind);
std::string_view failure_text(ErrorCode code, std::string_view error);
std::string damage_text(const std::string& reason);

// What the error of a task that was interrupted too often begins with.
inline constexpr std::string_view kGivenUp = "given up after ";

class Messages {
 public:
  Messages(store::Database& db, Clock& clock, Rng& rng, const Settings& settings)
      : db_(db), clock_(clock), rng_(rng), settings_(settings) {}

  // In the caller's transaction. What went wrong inside the storage is told in general words; the log has the rest.
  void task_failed(store::Transaction& tx, const model::Task& task, const Error& fault) const;
  void bytes_damaged(store::Transaction& tx, const ProjectId& project, const model::Damage& damage) const;
  void storage_daemon_died(store::Transaction& tx, const model::Volume& volume,
                           const std::optional<SnapshotId>& snapshot) const;

  // The latest message about the resource that a failed task of one of these kinds has left: its detail, and when.
  struct Told {
    std::string detail;
    model::Message message;
  };
  std::optional<Told> last_failure(store::Transaction& tx, const std::string& resource,
                                   std::span<const model::TaskKind> kinds) const;

  boost::asio::awaitable<model::Page<model::Message>> list(model::PageQuery query) const;
  boost::asio::awaitable<model::Message> show(model::Actor actor, MessageId id) const;
  boost::asio::awaitable<void> remove(model::Actor actor, MessageId id);

 private:
  model::Message make(const ProjectId& project, const VolumeId& volume,
                      const std::optional<SnapshotId>& snapshot) const;

  store::Database& db_;
  Clock& clock_;
  Rng& rng_;
  const Settings& settings_;
};

}  // namespace varve::services
