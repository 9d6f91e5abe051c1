// One mutex a key, made when wanted and dropped when nobody holds or waits for it.
//
// Which keys somebody holds is known only when the program runs, and may be several: the compiler cannot prove it, as
// it does for a Mutex. A function that wants a key held takes its Lock.
#pragma once

#include <set>
#include <string>
#include <utility>

#include "base/mutex.h"

namespace varve {

class KeyedMutex {
 public:
  class [[nodiscard]] Lock {
   public:
    Lock(KeyedMutex& owner, std::string key) : owner_(owner), key_(std::move(key)) { owner_.acquire(key_); }
    // Perhaps somebody has it: see owns().
    Lock(KeyedMutex& owner, std::string key, std::try_to_lock_t)
        : owner_(owner), key_(std::move(key)), owns_(owner_.try_acquire(key_)) {}
    ~Lock() {
      if (owns_) owner_.release(key_);
    }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

    const std::string& key() const { return key_; }
    bool owns() const { return owns_; }

   private:
    KeyedMutex& owner_;
    const std::string key_;
    const bool owns_ = true;
  };

 private:
  void acquire(const std::string& key) VARVE_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    changed_.wait(mutex_, [&]() VARVE_REQUIRES(mutex_) { return !held_.contains(key); });
    held_.insert(key);
  }
  bool try_acquire(const std::string& key) VARVE_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return held_.insert(key).second;
  }
  void release(const std::string& key) VARVE_EXCLUDES(mutex_) {
    {
      MutexLock lock(mutex_);
      held_.erase(key);
    }
    changed_.notify_all();
  }

  Mutex mutex_;
  Condition changed_;
  std::set<std::string> held_ VARVE_GUARDED_BY(mutex_);
};

}  // namespace varve
