#include "services/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <semaphore>

namespace varve::services {
namespace {

constexpr auto kBound = std::chrono::seconds(20);

TEST(WorkerPool, RunsNoMoreThanItsLimitAtOnce) {
  SystemClock clock;
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  std::counting_semaphore<> done(0);
  WorkerPool pool(3, 0, clock, threads());
  for (int i = 0; i < 300; ++i) {
    pool.push([&] {
      int now = ++running;
      for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
      }
      std::this_thread::yield();
      --running;
      done.release();
    });
  }
  pool.start();
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(done.try_acquire_for(kBound));
  EXPECT_LE(most, 3);
}

TEST(WorkerPool, JobsThatAreStuckHoldUpNobody) {
  SystemClock clock;
  std::promise<void> gate;
  std::shared_future<void> open = gate.get_future().share();
  std::promise<void> ran;
  WorkerPool pool(2, 8, clock, threads());
  for (int i = 0; i < 8; ++i) pool.push([open] { open.wait(); });
  pool.push([&] { ran.set_value(); });
  pool.start();
  EXPECT_EQ(ran.get_future().wait_for(kBound), std::future_status::ready);
  gate.set_value();
}

TEST(WorkerPool, MoreThanTheSpareOnesWait) {
  ManualClock clock(Timestamp{});
  std::promise<void> gate;
  std::shared_future<void> open = gate.get_future().share();
  std::counting_semaphore<> begun(0);
  WorkerPool pool(1, 1, clock, threads());
  for (int i = 0; i < 3; ++i) {
    pool.push([&, open] {
      begun.release();
      open.wait();
    });
  }
  pool.start();
  ASSERT_TRUE(begun.try_acquire_for(kBound));
  EXPECT_FALSE(begun.try_acquire_for(std::chrono::milliseconds(300)));
  clock.advance(std::chrono::hours(1));
  ASSERT_TRUE(begun.try_acquire_for(kBound));
  clock.advance(std::chrono::hours(1));
  EXPECT_FALSE(begun.try_acquire_for(std::chrono::milliseconds(300)));
  gate.set_value();
  EXPECT_TRUE(begun.try_acquire_for(kBound));
}

TEST(WorkerPool, AThrowEndsNothing) {
  SystemClock clock;
  std::promise<void> ran;
  WorkerPool pool(1, 0, clock, threads());
  pool.push([] { throw std::runtime_error("thrown on purpose"); });
  pool.push([&] { ran.set_value(); });
  pool.start();
  EXPECT_EQ(ran.get_future().wait_for(kBound), std::future_status::ready);
}

}  // namespace
}  // namespace varve::services
