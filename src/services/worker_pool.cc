#include "services/worker_pool.h"

#include <algorithm>
#include <iterator>
#include <system_error>

#include "base/log.h"

namespace varve::services {

namespace {
constexpr auto kMoment = std::chrono::milliseconds(500);
constexpr auto kLook = std::chrono::milliseconds(100);
}  // namespace

void WorkerPool::start() {
  MutexLock lock(mutex_);
  add_thread();
}

void WorkerPool::stop() {
  std::vector<Thread> threads;  // joined after the lock is let go of
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    queue_.clear();
    threads.swap(threads_);
  }
  wake_.notify_all();
}

void WorkerPool::push(Job job) {
  {
    MutexLock lock(mutex_);
    if (stopping_) return;
    queue_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void WorkerPool::work() {
  MutexLock lock(mutex_);
  for (;;) {
    ++idle_;
    wait_for_job();
    --idle_;
    if (stopping_) return;
    Job job = std::move(queue_.front());
    queue_.pop_front();
    auto since = running_.insert(clock_.steady());
    // One thread is always left to see that a job may begin.
    if (idle_ == 0) {
      add_thread();
    } else if (!queue_.empty()) {
      wake_.notify_one();
    }
    lock.unlock();
    try {
      job();
      job = {};
    } catch (const std::exception& fault) {
      log::error("background work failed", {{"error", fault.what()}});
    }
    lock.lock();
    running_.erase(since);
  }
}

void WorkerPool::wait_for_job() {
  while (!stopping_ && !may_begin()) {
    if (queue_.empty() || looking_) {
      wake_.wait(mutex_);
      continue;
    }
    looking_ = true;
    wake_.wait_for(mutex_, kLook);
    looking_ = false;
  }
}

bool WorkerPool::may_begin() const {
  if (queue_.empty()) return false;
  auto long_ago = running_.lower_bound(clock_.steady() - kMoment);
  auto stuck = static_cast<std::size_t>(std::distance(running_.begin(), long_ago));
  return running_.size() - std::min<std::size_t>(stuck, spare_) < limit_;
}

void WorkerPool::add_thread() {
  if (stopping_ || threads_.size() > limit_ + spare_) return;
  try {
    threads_.emplace_back("worker", [this] { work(); });
  } catch (const std::system_error& fault) {
    log::error("no thread could be started", {{"error", fault.what()}});
  }
}

}  // namespace varve::services
