// How long varved waits for another process: all bounds in one place, so that no wait is without one.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>

namespace varve::qemu {

struct Timeouts {
  std::chrono::milliseconds answer{20'000};     // of any command; a flush of a slow disk may be part of it
  std::chrono::milliseconds adoption{2'000};    // at varved's start, of all daemons together
  std::chrono::milliseconds progress{120'000};  // of a job: from one step to the next
  std::chrono::milliseconds launch{20'000};     // of a new process
  std::chrono::milliseconds quit{60'000};       // a daemon that was told to quit flushes its images first
  std::chrono::milliseconds end{5'000};         // of a killed process, and of one whose work need not be kept
  std::chrono::milliseconds hurried{3'000};     // at most, of everything, once varved stops
};

// The timeouts as they are now. Any thread.
class Patience {
 public:
  explicit Patience(const Timeouts& timeouts) : timeouts_(timeouts) {}

  // From now on nothing waits longer than Timeouts::hurried; what waits already, neither.
  void hurry() { hurried_ = true; }
  bool hurried() const { return hurried_; }

  // While varved starts: an answer is waited for no longer than Timeouts::adoption.
  void be_brief(bool brief) { brief_ = brief; }

  std::chrono::milliseconds answer() const {
    return brief_ ? std::min(now(timeouts_.answer), adoption()) : now(timeouts_.answer);
  }
  std::chrono::milliseconds adoption() const { return now(timeouts_.adoption); }
  std::chrono::milliseconds progress() const { return now(timeouts_.progress); }
  std::chrono::milliseconds launch() const { return now(timeouts_.launch); }
  std::chrono::milliseconds quit() const { return now(timeouts_.quit); }
  std::chrono::milliseconds end() const { return now(timeouts_.end); }

 private:
  std::chrono::milliseconds now(std::chrono::milliseconds usual) const {
    return hurried_ ? std::min(usual, timeouts_.hurried) : usual;
  }

  const Timeouts timeouts_;
  std::atomic<bool> hurried_{false};
  std::atomic<bool> brief_{false};
};

// A wait looks at its bound again this often.
inline constexpr std::chrono::milliseconds kLook{200};

}  // namespace varve::qemu
