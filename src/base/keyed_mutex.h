// One mutex a key, made when wanted and dropped when nobody holds or waits for it.
#pragma once

#include <condition_variable>
#include <mutex>
#include <set>
#include <string>

namespace varve {

class KeyedMutex {
 public:
  class Lock {
   public:
    Lock(KeyedMutex& owner, std::string key) : owner_(owner), key_(std::move(key)) {
      std::unique_lock lock(owner_.mutex_);
      owner_.changed_.wait(lock, [&] { return !owner_.held_.contains(key_); });
      owner_.held_.insert(key_);
    }
    // Perhaps somebody has it: see owns().
    Lock(KeyedMutex& owner, std::string key, std::try_to_lock_t) : owner_(owner), key_(std::move(key)) {
      std::lock_guard lock(owner_.mutex_);
      owns_ = owner_.held_.insert(key_).second;
    }
    ~Lock() {
      if (!owns_) return;
      {
        std::lock_guard lock(owner_.mutex_);
        owner_.held_.erase(key_);
      }
      owner_.changed_.notify_all();
    }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

    bool owns() const { return owns_; }

   private:
    KeyedMutex& owner_;
    std::string key_;
    bool owns_ = true;
  };

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> held_;
};

}  // namespace varve
