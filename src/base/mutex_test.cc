#include "base/mutex.h"

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/thread.h"

namespace varve {
namespace {

struct Door {
  void open() {
    MutexLock lock(mutex);
    is_open = true;
    opened.notify_all();
  }

  Mutex mutex;
  Condition opened;
  bool is_open VARVE_GUARDED_BY(mutex) = false;
};

TEST(MutexTest, ALockThatLetsGoLetsOthersIn) {
  Door door;
  MutexLock lock(door.mutex);
  door.is_open = false;
  lock.unlock();
  Thread other("other", [&] { door.open(); });
  other.join();
  lock.lock();
  EXPECT_TRUE(door.is_open);
}

TEST(MutexTest, AWaitLetsTheOneInThatNotifies) {
  Door door;
  MutexLock lock(door.mutex);
  Thread other("other", [&] { door.open(); });
  door.opened.wait(door.mutex, [&]() VARVE_REQUIRES(door.mutex) { return door.is_open; });
  EXPECT_TRUE(door.is_open);
}

TEST(MutexTest, AWaitThatHasEndedTellsWhetherWhatItWaitedForIsSo) {
  Door door;
  auto is_open = [&]() VARVE_REQUIRES(door.mutex) { return door.is_open; };
  MutexLock lock(door.mutex);
  EXPECT_FALSE(door.opened.wait_for(door.mutex, std::chrono::milliseconds(1), is_open));
  EXPECT_FALSE(door.opened.wait_until(door.mutex, steady_now(), is_open));
  door.is_open = true;
  EXPECT_TRUE(door.opened.wait_for(door.mutex, std::chrono::milliseconds(0), is_open));
  EXPECT_TRUE(door.opened.wait_until(door.mutex, steady_now(), is_open));
}

}  // namespace
}  // namespace varve
