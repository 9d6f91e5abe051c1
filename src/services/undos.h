// What failed tasks left outside of the store and could not take away at once: it is tried again, less and less often,
// for as long as the task is remembered. It is in nobody's way: a thread of its own, no volume's line. Any thread.
#pragma once

#include <chrono>
#include <functional>
#include <map>

#include "base/clock.h"
#include "base/mutex.h"
#include "model/resources.h"
#include "services/settings.h"
#include "services/worker_pool.h"
#include "store/database.h"

namespace varve::services {

class Undos {
 public:
  using Undo = std::function<bool(const model::Task&)>;  // false: something is left still

  Undos(store::Database& db, Clock& clock, const Settings& settings, Undo undo, Scheduler& scheduler);

  void start() { worker_.start(); }
  void stop() { worker_.stop(); }

  // A task that has ended, and whose row says that something is left.
  void add(const model::Task& task);
  // Begins what is due.
  void look();

 private:
  struct Waiting {
    model::Task task;
    std::chrono::steady_clock::time_point next;
    std::chrono::seconds pause;
    bool begun = false;
  };

  void try_again(const model::Task& task);
  // False: it is to be tried once more.
  bool is_over(const model::Task& task);

  store::Database& db_;
  Clock& clock_;
  const Settings& settings_;
  const Undo undo_;
  Mutex mutex_;
  std::map<TaskId, Waiting> waiting_ VARVE_GUARDED_BY(mutex_);
  WorkerPool worker_;
};

}  // namespace varve::services
