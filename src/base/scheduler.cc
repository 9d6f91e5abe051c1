#include "base/scheduler.h"

#include <utility>

#include "base/mutex.h"
#include "base/thread.h"

namespace varve {

namespace {

class ThreadLoop final : public Loop {
 public:
  ThreadLoop(std::string name, Scheduler::Step step)
      : step_(std::move(step)), thread_(std::move(name), [this] { run(); }) {}

  ~ThreadLoop() override {
    end();
    thread_.join();
  }

  void wake() override {
    {
      MutexLock lock(mutex_);
      woken_ = true;
    }
    changed_.notify_one();
  }

 private:
  void end() {
    {
      MutexLock lock(mutex_);
      ended_ = true;
    }
    changed_.notify_one();
  }

  void run() {
    Scheduler::Rest rest{0};
    while (!is_over(rest)) rest = step_();
  }

  // Rests. True: it is to end.
  bool is_over(Scheduler::Rest rest) {
    MutexLock lock(mutex_);
    auto goes_on = [this]() VARVE_REQUIRES(mutex_) { return woken_ || ended_; };
    if (rest == Scheduler::kUntilWoken) {
      changed_.wait(mutex_, goes_on);
    } else if (rest.count() > 0) {
      changed_.wait_for(mutex_, rest, goes_on);
    }
    bool over = ended_ && !woken_ && rest.count() != 0;
    woken_ = false;
    return over;
  }

  const Scheduler::Step step_;
  Mutex mutex_;
  Condition changed_;
  bool woken_ VARVE_GUARDED_BY(mutex_) = false;
  bool ended_ VARVE_GUARDED_BY(mutex_) = false;
  Thread thread_;
};

class Threads final : public Scheduler {
 public:
  std::unique_ptr<Loop> loop(std::string name, Step step) override {
    return std::make_unique<ThreadLoop>(std::move(name), std::move(step));
  }
  void acquire(std::binary_semaphore& semaphore) override { semaphore.acquire(); }
};

}  // namespace

Scheduler& threads() {
  static Threads all;
  return all;
}

}  // namespace varve
