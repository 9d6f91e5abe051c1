// Background work: tasks are rows, written in the transaction that starts them, run by worker threads, ended in one
// transaction that also sets the final statuses. What a crash cuts off is run again; what keeps failing ends in an
// error status. Either way no transitional status stays. Tasks of one volume run one after the other, in the order they
// were enqueued; a task that copies a volume waits in that volume's line. Tasks that take as long as the data is large
// have threads of their own, so that the others do not wait for them. A task that waits for its volume's storage is in
// no other volume's way (worker_pool.h).
//
// Locks: none is held while a handler runs.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "base/scheduler.h"
#include "model/actor.h"
#include "model/resources.h"
#include "services/messages.h"
#include "services/settings.h"
#include "services/undos.h"
#include "services/worker_pool.h"
#include "store/database.h"

namespace varve::services {

// What a kind of task does. run() is idempotent and blocks; finish() and fail() only change rows.
struct TaskHandler {
  std::function<void(const model::Task&)> run;
  std::function<void(store::Transaction&, const model::Task&)> finish;
  std::function<void(store::Transaction&, const model::Task&, const Error&)> fail;
  // Takes away what run() may have left outside of the store; before fail(). When it throws it is called again, after
  // fail() and perhaps after a restart, until it does not: it must be idempotent, and what others made of the
  // task's objects meanwhile is theirs.
  std::function<void(const model::Task&)> undo = {};
  // run() moves data: it looks at stopping() and gives up when that is true. The task goes on at the next start.
  bool bulk = false;
};

// Where a live task is.
struct Whereabouts {
  enum class State : std::uint8_t { Queued, Running, Waiting };
  enum class For : std::uint8_t {
    Nothing,   // it works
    Turn,      // another task of its line is before it
    Worker,    // too many tasks are at work
    Storage,   // it works for longer than its kind should
    Copy,      // it moves data
    Database,  // it is done, but its end could not be written
  };
  State state = State::Queued;
  For waits_for = For::Nothing;
  Timestamp since;                        // in this state
  std::string step;                       // the last failpoint that it has passed; "": none
  bool tried_again = false;               // in this attempt, as the storage was not available
  std::optional<Timestamp> next_attempt;  // Database: when
  std::optional<model::Task> before;      // Turn: the one before it in the line
};

class TaskRunner {
 public:
  TaskRunner(store::Database& db, const Messages& messages, Clock& clock, Rng& rng, const Settings& settings,
             Scheduler& scheduler);
  ~TaskRunner();

  void handle(model::TaskKind kind, TaskHandler handler);  // before start()

  // Takes over what an earlier daemon left, then works. The store is this daemon's alone (it holds the store's lock),
  // so every live task is an earlier daemon's.
  void start();
  // Lets running tasks end; queued ones stay live in the store for the next start.
  void stop();

  // A new task of this daemon: whoever inserts it (Transaction::tasks()) has it run by the commit. Throws
  // Error(Unavailable) when too many wait already.
  model::Task make(model::TaskKind kind, const model::Actor& actor, const VolumeId& volume);

  // Waits until they all have ended. A failed one throws its Error; when they take longer than the timeout
  // Error(Unavailable) is thrown, and they go on by themselves. Its executor must outlive stop().
  boost::asio::awaitable<void> ended(std::vector<TaskId> tasks, std::chrono::seconds timeout);

  // Work without a row (a restored export, a check): runs on threads of its own. Whoever posts it sees to its failure.
  void post(std::function<void()> job);

  std::size_t waiting() const;

  // nullopt: it has not been enqueued yet, or has just ended. Never waits. Any thread.
  std::optional<Whereabouts> whereabouts(const model::Task& task) const;
  bool stopping() const { return stopping_; }

  // Every Settings::task_retry: what could not be ended, or taken away, is tried again; what is too old is forgotten.
  void look_again();

 private:
  // What other threads may see of a task that a worker has.
  struct Progress {
    failpoint::Trail trail;
    std::atomic<bool> tried_again{false};
  };
  // The tasks of a volume: the one that is in a pool, and those behind it.
  struct Lane {
    model::Task first;
    Timestamp since;
    std::optional<std::chrono::steady_clock::time_point> begun;  // a worker has it
    std::shared_ptr<Progress> progress;
    std::deque<model::Task> behind;
  };
  struct Unended {
    model::Task task;
    Timestamp since;
  };
  // Whose tasks run one after the other.
  using LaneKey = std::variant<VolumeId, BackupId, GroupSnapshotId>;
  using Waiter = std::function<void(std::optional<Error>)>;

  void enqueue(const model::Task& task) VARVE_EXCLUDES(mutex_);
  void work(const model::Task& task, Progress& progress);
  void note_unended(const model::Task& task) VARVE_EXCLUDES(mutex_);
  void run_unended();
  void run_task(model::Task task, Progress& progress);
  void run_handler(const model::Task& task, Progress& progress);
  void begin(const model::Task& task);
  model::Task end_task(const model::Task& task, const std::optional<Error>& fault);
  void make_ready(Lane& lane, model::Task task) VARVE_REQUIRES(mutex_);
  Whereabouts of_first(const Lane& lane) const VARVE_REQUIRES(mutex_);
  // False: something is left.
  bool undo(const model::Task& task);
  static LaneKey lane_of(const model::Task& task);
  void free_lane(const LaneKey& key) VARVE_REQUIRES(mutex_);
  std::int64_t attempts_limit() const { return 5; }

  store::Database& db_;
  const Messages& messages_;
  Clock& clock_;
  Rng& rng_;
  const Settings& settings_;
  std::map<model::TaskKind, TaskHandler> handlers_;

  mutable Mutex mutex_;
  std::map<LaneKey, Lane> lanes_ VARVE_GUARDED_BY(mutex_);      // of what has a task in a pool
  std::map<TaskId, Unended> unended_ VARVE_GUARDED_BY(mutex_);  // ran, but their end could not be written
  Timestamp next_look_ VARVE_GUARDED_BY(mutex_){};
  std::map<TaskId, Waiter> waiters_ VARVE_GUARDED_BY(mutex_);
  std::size_t pending_ VARVE_GUARDED_BY(mutex_) = 0;  // tasks that have not ended
  std::atomic<bool> stopping_{false};
  store::Database::Subscription commits_;
  WorkerPool workers_;
  WorkerPool bulk_workers_;
  WorkerPool free_workers_;  // of post()
  Undos undos_;
};

}  // namespace varve::services
