// Time, as the rest of the program sees it. Only this folder reads the system's clocks.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

namespace varve {

// Microseconds since 1970, UTC: what the store keeps and the APIs print.
using Timestamp = std::chrono::sys_time<std::chrono::microseconds>;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp now() const = 0;                                 // wall clock, may jump
  virtual std::chrono::steady_clock::time_point steady() const = 0;  // never goes back
};

// The system's steady clock, for those who wait for processes and disks, which no Clock of a test moves.
std::chrono::steady_clock::time_point steady_now();

class SystemClock final : public Clock {
 public:
  Timestamp now() const override;
  std::chrono::steady_clock::time_point steady() const override;
};

// For tests: stands still until told to move. Any thread.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Timestamp start) : micros_(start.time_since_epoch().count()) {}
  Timestamp now() const override { return Timestamp(std::chrono::microseconds(micros_.load())); }
  std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::time_point(std::chrono::microseconds(micros_.load()));
  }
  void advance(std::chrono::microseconds by) { micros_ += by.count(); }

 private:
  std::atomic<std::int64_t> micros_;
};

// "2026-01-31T23:59:59.000001": UTC, always six digits, no zone (spec: EVS and Cinder alike).
void append_time(std::string& out, Timestamp time);
std::string format_time(Timestamp time);
// "2026-01-31T23:59:59.000001Z", as Keystone writes it.
std::string format_time_z(Timestamp time);

}  // namespace varve
