// Brings back the exports that should be served and are not: after a start, after a storage daemon died, after a change
// for which they were taken away. What must come back is in its list until it has, tried again at growing intervals.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/scheduler.h"
#include "services/exports.h"
#include "services/messages.h"
#include "services/tasks.h"
#include "store/database.h"

namespace varve::services {

// An export that should be there and is not.
struct MissingExport {
  Timestamp since;
  std::int64_t attempts = 0;              // that have failed
  std::optional<Timestamp> next_attempt;  // null: one is under way
  std::string error;                      // of the last attempt, for an operator
};

class Restorer {
 public:
  Restorer(store::Database& db, Exports& exports, TaskRunner& tasks, const Messages& messages, const Clock& clock,
           Scheduler& scheduler)
      : db_(db), exports_(exports), tasks_(tasks), messages_(messages), clock_(clock), scheduler_(scheduler) {}
  ~Restorer() { stop(); }

  // Begins with all that the store says is served; after the task runner's start().
  void start();
  void stop();

  // Notes it and returns: the loop sees to the rest. lost(): its storage daemon died, which its owner is told.
  void missing(const model::Source& source);
  void lost(const model::Source& source);

  // What it knows of a source; nullopt: nothing is missing, or not known to be. Never waits. Any thread.
  std::optional<MissingExport> find(const model::Source& source) const;

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Wanted {
    model::Source source;
    Time due;
    std::chrono::milliseconds pause{};  // before the next attempt, should this one fail
    bool tried = false;                 // a thread is at it
    bool again = false;                 // asked for meanwhile
    Timestamp since{};
    std::int64_t failed = 0;
    std::string error = {};
  };

  Scheduler::Rest look();
  void want(const model::Source& source, Time due) VARVE_REQUIRES(mutex_);
  void want_all();
  void tell_owners();
  std::vector<model::Source> take_due();
  void attempt(const model::Source& source);
  void ended(const model::Source& source, const std::optional<std::string>& error);

  store::Database& db_;
  Exports& exports_;
  TaskRunner& tasks_;
  const Messages& messages_;
  const Clock& clock_;
  Scheduler& scheduler_;

  mutable Mutex mutex_;
  std::map<model::Source, Wanted> wanted_ VARVE_GUARDED_BY(mutex_);
  std::vector<model::Source> untold_ VARVE_GUARDED_BY(mutex_);  // whose owners do not know that the storage daemon died
  bool all_ VARVE_GUARDED_BY(mutex_) = true;                    // what the store has is to be added
  std::unique_ptr<Loop> loop_ VARVE_GUARDED_BY(mutex_);
};

}  // namespace varve::services
