// Workers that run jobs, in the order they came, so many at a time.
//
// A job that takes longer than a moment waits for something that does not answer, most likely one volume's storage. It
// is not counted then, so that it is in nobody's way; at most `spare` are not. Workers are made when they are wanted.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <set>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/scheduler.h"

namespace varve::services {

class WorkerPool {
 public:
  using Job = std::function<void()>;

  // limit: jobs that are counted and run at once. spare: 0 when jobs take long by nature.
  WorkerPool(unsigned limit, unsigned spare, const Clock& clock, Scheduler& scheduler)
      : limit_(limit), spare_(spare), clock_(clock), scheduler_(scheduler) {}
  ~WorkerPool() { stop(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  void start();
  // Drops what waits, lets running jobs end, and the workers with them.
  void stop();

  // What a job throws is logged. Any thread; before start() jobs only wait.
  void push(Job job);

 private:
  struct Worker {
    bool idle = false;  // it rests until it is woken, or looks again and again whether a job may begin
    std::unique_ptr<Loop> loop;
  };

  Scheduler::Rest work(Worker& worker);
  bool may_begin() const VARVE_REQUIRES(mutex_);
  // False: there is none. One that was woken already will look, too.
  bool wake_idle() VARVE_REQUIRES(mutex_);
  void add_worker() VARVE_REQUIRES(mutex_);

  const unsigned limit_;
  const unsigned spare_;
  const Clock& clock_;
  Scheduler& scheduler_;
  Mutex mutex_;
  std::deque<Job> queue_ VARVE_GUARDED_BY(mutex_);
  std::multiset<std::chrono::steady_clock::time_point> running_ VARVE_GUARDED_BY(mutex_);  // since when
  bool stopping_ VARVE_GUARDED_BY(mutex_) = false;
  std::list<Worker> workers_ VARVE_GUARDED_BY(mutex_);
};

}  // namespace varve::services
