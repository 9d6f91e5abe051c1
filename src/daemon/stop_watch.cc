#include "daemon/stop_watch.h"

#include <cstdlib>

#include "base/clock.h"
#include "base/log.h"

namespace varve::daemon {

namespace {
constexpr auto kPatience = std::chrono::seconds(3);
constexpr auto kPause = std::chrono::seconds(1);
constexpr auto kLongest = std::chrono::seconds(30);  // after the requests
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
  thread_ = Thread("stop watch", [this] { run(); });
}

void StopWatch::require_answer() {
  if (disk_.answers(kPatience)) return;
  log::error("the store's disk does not answer; varved ends without having written what it could not write");
  std::_Exit(0);
}

void StopWatch::run() {
  auto deadline = steady_now() + drain_ + kLongest;
  MutexLock lock(mutex_);
  while (!ended_) {
    lock.unlock();
    require_answer();
    lock.lock();
    if (!ended_ && steady_now() > deadline) {
      log::error("something does not come to an end; varved ends without it");
      std::_Exit(0);
    }
    wake_.wait_for(mutex_, kPause, [&]() VARVE_REQUIRES(mutex_) { return ended_; });
  }
}

}  // namespace varve::daemon
