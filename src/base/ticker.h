// Work that is due now and then: one thread does it all, one after the other. It must be short.
// What it throws is logged, and it is tried again at its next time. Nothing is done before start() nor after stop(),
// and every() comes before start().
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/thread.h"

namespace varve {

class Ticker {
 public:
  explicit Ticker(const Clock& clock) : clock_(clock) {}
  ~Ticker() { stop(); }
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

  // what: as the log calls it. For the first time one period after the start.
  void every(std::chrono::seconds period, std::string what, std::function<void()> work);
  void start();
  void stop();  // waits for what is being done

 private:
  struct Duty {
    std::chrono::seconds period;
    std::string what;
    std::function<void()> work;
    std::chrono::steady_clock::time_point due;
  };

  void run();

  const Clock& clock_;
  std::vector<Duty> duties_;  // of the thread, once there is one
  Mutex mutex_;
  Condition stopped_;
  bool stopping_ VARVE_GUARDED_BY(mutex_) = false;
  Thread thread_;
};

}  // namespace varve
