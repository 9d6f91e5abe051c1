// What makes the service whole again after a stop, whatever kind of stop it was, and keeps it so: exports that should
// be served, storage work that waits, statuses that no task owns.
#pragma once

#include <memory>
#include <vector>

#include "backends/backend.h"
#include "base/mutex.h"
#include "base/scheduler.h"
#include "services/damages.h"
#include "services/restorer.h"
#include "store/database.h"

namespace varve::services {

class Reconciler {
 public:
  Reconciler(store::Database& db, backends::Backend& backend, Exports& exports, TaskRunner& tasks,
             const Messages& messages, Clock& clock, Scheduler& scheduler);
  ~Reconciler();

  void start();  // after the task runner's start()
  void stop();

  const Restorer& restorer() const { return restorer_; }

  // Transitional statuses without a live task: there are none unless someone edited the database. They become errors,
  // which can be deleted; the helper snapshot of a backup, which nobody else may delete, goes. Returns how many there
  // were.
  int heal_orphans();

 private:
  Scheduler::Rest maintain(bool first);
  void remove_helper(store::Transaction& tx, model::Snapshot snapshot);
  void wake_all() VARVE_REQUIRES(mutex_);

  store::Database& db_;
  backends::Backend& backend_;
  Exports& exports_;
  TaskRunner& tasks_;
  Damages damages_;
  Clock& clock_;
  Scheduler& scheduler_;
  Restorer restorer_;
  Mutex mutex_;
  bool followed_ VARVE_GUARDED_BY(mutex_) = false;  // it is known what is damaged
  bool stopping_ VARVE_GUARDED_BY(mutex_) = false;
  std::vector<std::unique_ptr<Loop>> loops_ VARVE_GUARDED_BY(mutex_);
};

}  // namespace varve::services
