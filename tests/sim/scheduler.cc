#include "scheduler.h"

#include <algorithm>
#include <utility>

namespace varve::sim {

namespace {
constexpr auto kPause = std::chrono::milliseconds(200);  // after a throw, as base/thread.cc
}

SeededScheduler::Step::Step(SeededScheduler& owner, std::string name, Scheduler::Step step)
    : owner_(owner), name_(std::move(name)), step_(std::move(step)), due_(owner.clock_.steady()) {
  owner_.steps_.push_back(this);
}

SeededScheduler::Step::~Step() {
  while (!owner_.dead_ && !running_ && wants_to_go_on()) run();
  std::erase(owner_.steps_, this);
}

bool SeededScheduler::Step::is_ready() const {
  return !running_ && (wants_to_go_on() || due_ <= owner_.clock_.steady());
}

void SeededScheduler::Step::run() {
  woken_ = false;
  running_ = true;
  try {
    Rest rest = step_();
    at_once_ = rest.count() == 0;
    due_ = rest == kUntilWoken ? Time::max() : owner_.clock_.steady() + rest;
  } catch (const std::exception&) {
    at_once_ = false;
    due_ = owner_.clock_.steady() + kPause;
  } catch (...) {  // the process ends
    running_ = false;
    throw;
  }
  running_ = false;
}

std::unique_ptr<Loop> SeededScheduler::loop(std::string name, Scheduler::Step step) {
  return std::make_unique<Step>(*this, std::move(name), std::move(step));
}

void SeededScheduler::acquire(std::binary_semaphore& semaphore) {
  while (!semaphore.try_acquire()) {
    if (dead_) throw failpoint::Crash{};
    blocked_();
  }
}

std::vector<SeededScheduler::Step*> SeededScheduler::ready() const {
  std::vector<Step*> out;
  std::ranges::copy_if(steps_, std::back_inserter(out), &Step::is_ready);
  return out;
}

SeededScheduler::Time SeededScheduler::next_due() const {
  Time next = Time::max();
  for (const Step* step : steps_) next = std::min(next, step->due());
  return next;
}

}  // namespace varve::sim
