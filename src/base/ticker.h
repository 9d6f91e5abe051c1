// Work that is due now and then: one loop does it all, one after the other. It must be short.
// What it throws is logged, and it is tried again at its next time. Nothing is done before start() nor after stop(),
// and every() comes before start().
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/scheduler.h"

namespace varve {

class Ticker {
 public:
  Ticker(const Clock& clock, Scheduler& scheduler) : clock_(clock), scheduler_(scheduler) {}
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

  Scheduler::Rest look();

  const Clock& clock_;
  Scheduler& scheduler_;
  std::vector<Duty> duties_;
  std::unique_ptr<Loop> loop_;
};

}  // namespace varve
