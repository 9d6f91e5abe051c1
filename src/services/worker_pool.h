// Threads that run jobs, in the order they came, so many at a time.
//
// A job that takes longer than a moment waits for something that does not answer, most likely one volume's storage. It
// is not counted then, so that it is in nobody's way; at most `spare` are not. Threads are made when they are wanted.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <set>
#include <vector>

#include "base/clock.h"
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
  using Lock = std::unique_lock<std::mutex>;

  void work();
  void wait_for_job(Lock& lock);
  bool may_begin() const;
  void add_thread();

  const unsigned limit_;
  const unsigned spare_;
  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> queue_;
  std::multiset<std::chrono::steady_clock::time_point> running_;  // since when
  unsigned idle_ = 0;
  bool looking_ = false;  // a thread looks again and again whether a job may begin
  bool stopping_ = false;
  std::vector<Thread> threads_;
};

}  // namespace varve::services
