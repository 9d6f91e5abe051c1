// The scheduler of the simulator: no thread at all. A loop is a step that its user runs when it likes; one that waits
// (acquire) has others run inside of its own wait.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/scheduler.h"

namespace varve::sim {

class SeededScheduler final : public Scheduler {
 public:
  using Time = std::chrono::steady_clock::time_point;

  class Step final : public Loop {
   public:
    Step(SeededScheduler& owner, std::string name, Scheduler::Step step);
    ~Step() override;
    void wake() override { woken_ = true; }

    const std::string& name() const { return name_; }
    bool is_ready() const;
    Time due() const { return due_; }
    void run();

   private:
    bool wants_to_go_on() const { return woken_ || at_once_; }

    SeededScheduler& owner_;
    const std::string name_;
    const Scheduler::Step step_;
    bool woken_ = false;
    bool at_once_ = true;
    bool running_ = false;
    Time due_;
  };

  // blocked: called again and again while a step waits; is to run another one. Throws failpoint::Crash to end all.
  SeededScheduler(const Clock& clock, std::function<void()> blocked) : clock_(clock), blocked_(std::move(blocked)) {}

  std::unique_ptr<Loop> loop(std::string name, Scheduler::Step step) override;
  void acquire(std::binary_semaphore& semaphore) override;

  // That have a step to do now, in the order in which they were made.
  std::vector<Step*> ready() const;
  // When the next one has, if none has now.
  Time next_due() const;

  // The process is dead: loops end without another step, and nobody waits for anything.
  void kill(bool dead) { dead_ = dead; }

 private:
  const Clock& clock_;
  const std::function<void()> blocked_;
  std::vector<Step*> steps_;
  bool dead_ = false;
};

}  // namespace varve::sim
