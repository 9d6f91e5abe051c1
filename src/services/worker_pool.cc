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
  add_worker();
}

void WorkerPool::stop() {
  std::list<Worker> workers;  // they end after the lock is let go of
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    queue_.clear();
    workers.swap(workers_);
  }
}

void WorkerPool::push(Job job) {
  MutexLock lock(mutex_);
  if (stopping_) return;
  queue_.push_back(std::move(job));
  wake_idle();
}

Scheduler::Rest WorkerPool::work(Worker& worker) {
  MutexLock lock(mutex_);
  worker.idle = stopping_ || !may_begin();
  if (worker.idle) return stopping_ || queue_.empty() ? Scheduler::kUntilWoken : kLook;
  Job job = std::move(queue_.front());
  queue_.pop_front();
  auto since = running_.insert(clock_.steady());
  // One worker is always left to see that a job may begin.
  if (!wake_idle()) add_worker();
  lock.unlock();
  try {
    job();
    job = {};
  } catch (const std::exception& fault) {
    log::error("background work failed", {{"error", fault.what()}});
  }
  lock.lock();
  running_.erase(since);
  return Scheduler::Rest(0);
}

bool WorkerPool::may_begin() const {
  if (queue_.empty()) return false;
  auto long_ago = running_.lower_bound(clock_.steady() - kMoment);
  auto stuck = static_cast<std::size_t>(std::distance(running_.begin(), long_ago));
  return running_.size() - std::min<std::size_t>(stuck, spare_) < limit_;
}

bool WorkerPool::wake_idle() {
  auto idle = std::ranges::find(workers_, true, &Worker::idle);
  if (idle == workers_.end()) return false;
  if (!queue_.empty()) idle->loop->wake();
  return true;
}

void WorkerPool::add_worker() {
  if (stopping_ || workers_.size() > limit_ + spare_) return;
  Worker& worker = workers_.emplace_back();
  try {
    worker.loop = scheduler_.loop("worker", [this, &worker] { return work(worker); });
  } catch (const std::system_error& fault) {
    workers_.pop_back();
    log::error("no thread could be started", {{"error", fault.what()}});
  }
}

}  // namespace varve::services
