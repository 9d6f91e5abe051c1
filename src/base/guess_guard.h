// Slows down guessing: after some failures in a row, a name from an address has to wait, longer each time.
// Any thread; memory is bounded.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"

namespace varve {

class GuessGuard {
 public:
  explicit GuessGuard(Clock& clock) : clock_(clock) {}

  // Throws Error(TooManyRequests) while the key has to wait.
  void require_calm(const std::string& key);
  void failed(const std::string& key);
  void succeeded(const std::string& key);

 private:
  struct Record {
    int failures = 0;
    std::chrono::steady_clock::time_point wait_until;
  };
  Clock& clock_;
  Mutex mutex_;
  std::map<std::string, Record> records_ VARVE_GUARDED_BY(mutex_);
};

}  // namespace varve
