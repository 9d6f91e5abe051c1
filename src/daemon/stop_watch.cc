#include "daemon/stop_watch.h"

#include <cstdlib>

#include "base/clock.h"
#include "base/log.h"

namespace varve::daemon {

namespace {
constexpr auto kPatience = std::chrono::seconds(3);
constexpr auto kPause = std::chrono::seconds(1);
}  // namespace

StopWatch::~StopWatch() {
  end();
  thread_.join();
}

void StopWatch::end() {
  {
    MutexLock lock(mutex_);
    ended_ = true;
  }
  wake_.notify_all();
}

void StopWatch::begin() {
  require_answer();
  allow(drain_ + kLongest);
  thread_ = Thread("stop watch", [this] { run(); });
}

void StopWatch::allow(std::chrono::seconds time) {
  MutexLock lock(mutex_);
  deadline_ = steady_now() + time;
}

void StopWatch::require_answer() {
  if (disk_.answers(kPatience)) return;
  log::error("the store's disk does not answer; varved ends without having written what it could not write");
  std::_Exit(0);
}

void StopWatch::run() {
  MutexLock lock(mutex_);
  while (!ended_) {
    lock.unlock();
    require_answer();
    lock.lock();
    if (!ended_ && steady_now() > deadline_) {
      log::error("something does not come to an end; varved ends without it");
      std::_Exit(0);
    }
    wake_.wait_for(mutex_, kPause, [&]() VARVE_REQUIRES(mutex_) { return ended_; });
  }
}

}  // namespace varve::daemon
