// Threads that run jobs, in the order they came, so many at a time.
//
// A job that takes longer than a moment waits for something that does not answer, most likely one volume's storage. It
// is not counted then, so that it is in nobody's way; at most `spare` are not. Threads are made when they are wanted.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <set>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/thread.h"

namespace varve::services {

class WorkerPool {
 public:
  using Job = std::function<void()>;

  // limit: jobs that are counted and run at once. spare: 0 when jobs take long by nature.
  WorkerPool(unsigned limit, unsigned spare, const Clock& clock) : limit_(limit), spare_(spare), clock_(clock) {}
  ~WorkerPool() { stop(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  void start();
  // Drops what waits, lets running jobs end, joins the threads.
  void stop();

  // What a job throws is logged. Any thread; before start() jobs only wait.
  void push(Job job);

 private:
  void work();
  void wait_for_job() VARVE_REQUIRES(mutex_);
  bool may_begin() const VARVE_REQUIRES(mutex_);
  void add_thread() VARVE_REQUIRES(mutex_);

  const unsigned limit_;
  const unsigned spare_;
  const Clock& clock_;
  Mutex mutex_;
  Condition wake_;
  std::deque<Job> queue_ VARVE_GUARDED_BY(mutex_);
  std::multiset<std::chrono::steady_clock::time_point> running_ VARVE_GUARDED_BY(mutex_);  // since when
  unsigned idle_ VARVE_GUARDED_BY(mutex_) = 0;
  bool looking_ VARVE_GUARDED_BY(mutex_) = false;  // a thread looks again and again whether a job may begin
  bool stopping_ VARVE_GUARDED_BY(mutex_) = false;
  std::vector<Thread> threads_ VARVE_GUARDED_BY(mutex_);
};

}  // namespace varve::services
