// What runs beside its caller. In varved these are threads; the simulator (tests/sim) has a scheduler of its own that
// does one step after the other, in an order that follows from a seed.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <semaphore>
#include <string>

namespace varve {

// A step that is done again and again, never twice at once. Its destructor waits until it would rest, with nothing that
// it was woken for undone: what the step uses must outlive it, so that it is its owner's last member, or the owner ends
// it first.
class Loop {
 public:
  virtual ~Loop() = default;
  // A step begins after this call. Any thread, the step too; never waits.
  virtual void wake() = 0;
};

class Scheduler {
 public:
  virtual ~Scheduler() = default;

  // How long a loop rests after a step, unless it is woken before. kUntilWoken: as long as it is not.
  using Rest = std::chrono::milliseconds;
  static constexpr Rest kUntilWoken = Rest::max();
  using Step = std::function<Rest()>;

  // Begins with a step. What a step throws is logged, and after a pause it is done again. name: as the system and the
  // log show it. Throws std::system_error when nothing further can run.
  virtual std::unique_ptr<Loop> loop(std::string name, Step step) = 0;

  // Waits, in a step or on a thread that is nobody's, for what another loop's step releases.
  virtual void acquire(std::binary_semaphore& semaphore) = 0;
};

// A thread a loop. It has no state: there is one for all.
Scheduler& threads();

}  // namespace varve
