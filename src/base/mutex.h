// Locks that the compiler proves (clang's -Wthread-safety). A member says which mutex guards it, a function which one
// it wants held; whoever does otherwise does not compile.
//
//   Mutex mutex_;
//   Condition wake_;
//   bool stopping_ VARVE_GUARDED_BY(mutex_) = false;
//   void stop_locked() VARVE_REQUIRES(mutex_);
//
//   MutexLock lock(mutex_);
//   wake_.wait(mutex_, [&]() VARVE_REQUIRES(mutex_) { return stopping_; });
//
// The compiler looks at each function alone. So a lambda that touches what is guarded says itself what it wants held,
// as that of a wait does. It does not look into constructors, destructors and catch handlers: where one of them needs a
// lock, it calls a function that takes it. Nor does it know what a pointer or reference leads to.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#define VARVE_CAPABILITY(what) __attribute__((capability(what)))
#define VARVE_SCOPED_CAPABILITY __attribute__((scoped_lockable))
#define VARVE_GUARDED_BY(mutex) __attribute__((guarded_by(mutex)))
#define VARVE_ACQUIRED_BEFORE(...) __attribute__((acquired_before(__VA_ARGS__)))
#define VARVE_REQUIRES(...) __attribute__((requires_capability(__VA_ARGS__)))
#define VARVE_EXCLUDES(...) __attribute__((locks_excluded(__VA_ARGS__)))
#define VARVE_ACQUIRE(...) __attribute__((acquire_capability(__VA_ARGS__)))
#define VARVE_RELEASE(...) __attribute__((release_capability(__VA_ARGS__)))

namespace varve {

// Not recursive.
class VARVE_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() VARVE_ACQUIRE() { mutex_.lock(); }
  void unlock() VARVE_RELEASE() { mutex_.unlock(); }

 private:
  friend class Condition;
  std::mutex mutex_;
};

// Holds a mutex for the length of a scope, but for where it lets go.
class [[nodiscard]] VARVE_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) VARVE_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() VARVE_RELEASE() {
    if (held_) mutex_.unlock();
  }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  // By turns.
  void unlock() VARVE_RELEASE() {
    held_ = false;
    mutex_.unlock();
  }
  void lock() VARVE_ACQUIRE() {
    mutex_.lock();
    held_ = true;
  }

 private:
  Mutex& mutex_;
  bool held_ = true;
};

// A wait lets go of the mutex, which is held again when it returns or throws what its predicate threw. It takes the
// mutex and not its lock: that this is held the compiler can prove.
class Condition {
 public:
  void notify_one() { condition_.notify_one(); }
  void notify_all() { condition_.notify_all(); }

  // May return before anybody notified.
  void wait(Mutex& mutex) VARVE_REQUIRES(mutex) {
    Lent lent(mutex);
    condition_.wait(lent.lock);
  }
  template <class Rep, class Period>
  void wait_for(Mutex& mutex, std::chrono::duration<Rep, Period> time) VARVE_REQUIRES(mutex) {
    Lent lent(mutex);
    condition_.wait_for(lent.lock, time);
  }

  // Until the predicate holds; it is called with the mutex held. Of a wait with an end: whether it holds then.
  template <class Predicate>
  void wait(Mutex& mutex, Predicate predicate) VARVE_REQUIRES(mutex) {
    Lent lent(mutex);
    condition_.wait(lent.lock, std::move(predicate));
  }
  template <class Rep, class Period, class Predicate>
  bool wait_for(Mutex& mutex, std::chrono::duration<Rep, Period> time, Predicate predicate) VARVE_REQUIRES(mutex) {
    Lent lent(mutex);
    return condition_.wait_for(lent.lock, time, std::move(predicate));
  }
  template <class Clock, class Duration, class Predicate>
  bool wait_until(Mutex& mutex, std::chrono::time_point<Clock, Duration> end, Predicate predicate)
      VARVE_REQUIRES(mutex) {
    Lent lent(mutex);
    return condition_.wait_until(lent.lock, end, std::move(predicate));
  }

 private:
  // A mutex that its holder lends for the length of a wait.
  struct Lent {
    explicit Lent(Mutex& mutex) : lock(mutex.mutex_, std::adopt_lock) {}
    ~Lent() { lock.release(); }
    std::unique_lock<std::mutex> lock;
  };

  std::condition_variable condition_;
};

}  // namespace varve
