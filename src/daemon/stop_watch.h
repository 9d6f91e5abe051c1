// The end of varved does not wait for a disk that hangs, nor for anything else without bound: whatever was begun is
// then as after a crash, and the next start goes on with it.
#pragma once

#include "base/disk_probe.h"
#include "base/mutex.h"
#include "base/thread.h"

namespace varve::daemon {

class StopWatch {
 public:
  static constexpr std::chrono::seconds kLongest{30};

  // store: nothing can be ended in order while its disk does not answer. drain: what running requests may take.
  StopWatch(std::filesystem::path store, std::chrono::seconds drain) : disk_(std::move(store)), drain_(drain) {}
  ~StopWatch();
  StopWatch(const StopWatch&) = delete;
  StopWatch& operator=(const StopWatch&) = delete;

  // From now on the process ends, with status 0, when the disk is silent or too much time has passed; at once when it
  // is silent now: no kernel ends a process one of whose threads waits for a frozen disk. Once.
  void begin();

  // The process ends when what is going on has not come to an end after that time.
  void allow(std::chrono::seconds time);

 private:
  void require_answer();
  void run();
  void end();

  DiskProbe disk_;
  const std::chrono::seconds drain_;
  Mutex mutex_;
  Condition wake_;
  std::chrono::steady_clock::time_point deadline_ VARVE_GUARDED_BY(mutex_);
  bool ended_ VARVE_GUARDED_BY(mutex_) = false;
  Thread thread_;
};

}  // namespace varve::daemon
