// Volumes and snapshots whose bytes cannot be read say so: they become `error`, with a message to their owner, and what
// they were when the bytes can be read again. What is attached keeps its status as long as it is.
#pragma once

#include <atomic>
#include <set>

#include "backends/backend.h"
#include "base/clock.h"
#include "services/messages.h"
#include "store/database.h"

namespace varve::services {

class Damages {
 public:
  Damages(store::Database& db, backends::Backend& backend, const Messages& messages, Clock& clock)
      : db_(db), backend_(backend), messages_(messages), clock_(clock) {}

  // Compares all rows with what the backend says, when that may have changed since the last time, and those on which a
  // task worked then, when it has ended. A page of rows is one read, and a write when something is to change; stop()
  // ends it between two pages. One thread.
  void follow();
  void stop() { stopping_ = true; }

 private:
  void follow_all();
  void follow_waiting();
  void follow_volumes();
  void follow_snapshots();
  void settle(const std::vector<model::Damage>& found);
  template <class Row>
  bool settle_status(Row& row, bool damaged) const;
  template <class Row>
  bool is_to_change(store::Transaction& tx, const std::optional<Row>& row, const model::Damage& found);
  void settle_volume(store::Transaction& tx, const model::Damage& found);
  void settle_snapshot(store::Transaction& tx, const model::Damage& found);
  bool note(store::Transaction& tx, const model::Damage& found, const ProjectId& project, bool failed_before);

  store::Database& db_;
  backends::Backend& backend_;
  const Messages& messages_;
  Clock& clock_;
  std::uint64_t seen_ = 0;           // of the backend's damage_version()
  std::set<model::Source> waiting_;  // for the end of a task, to be told of their damage
  std::atomic<bool> stopping_{false};
};

}  // namespace varve::services
