#include "base/scheduler.h"

#include <gtest/gtest.h>

#include <atomic>
#include <semaphore>
#include <stdexcept>

namespace varve {
namespace {

constexpr auto kBound = std::chrono::seconds(20);

TEST(Scheduler, ALoopBeginsWithAStepAndRestsUntilItIsWoken) {
  std::counting_semaphore<> done(0);
  auto loop = threads().loop("test", [&] {
    done.release();
    return Scheduler::kUntilWoken;
  });
  ASSERT_TRUE(done.try_acquire_for(kBound));
  EXPECT_FALSE(done.try_acquire_for(std::chrono::milliseconds(50)));
  loop->wake();
  EXPECT_TRUE(done.try_acquire_for(kBound));
}

TEST(Scheduler, ARestEndsByItself) {
  std::counting_semaphore<> done(0);
  auto loop = threads().loop("test", [&] {
    done.release();
    return Scheduler::Rest(1);
  });
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(done.try_acquire_for(kBound));
}

// Whoever changes something and wakes the loop is sure that a step sees it.
TEST(Scheduler, AWakingDuringAStepIsNotLost) {
  std::counting_semaphore<> done(0);
  std::binary_semaphore begun(0);
  std::binary_semaphore woken(0);
  std::atomic<bool> first{true};
  auto loop = threads().loop("test", [&] {
    if (first.exchange(false)) {
      begun.release();
      threads().acquire(woken);
    }
    done.release();
    return Scheduler::kUntilWoken;
  });
  ASSERT_TRUE(begun.try_acquire_for(kBound));
  loop->wake();
  woken.release();
  EXPECT_TRUE(done.try_acquire_for(kBound));
  EXPECT_TRUE(done.try_acquire_for(kBound));
}

TEST(Scheduler, WhatWasWokenIsDoneBeforeTheEnd) {
  std::atomic<int> steps{0};
  std::binary_semaphore begun(0);
  std::binary_semaphore woken(0);
  auto loop = threads().loop("test", [&] {
    if (++steps > 1) return Scheduler::kUntilWoken;
    begun.release();
    threads().acquire(woken);
    return Scheduler::kUntilWoken;
  });
  ASSERT_TRUE(begun.try_acquire_for(kBound));
  loop->wake();
  woken.release();
  loop.reset();
  EXPECT_EQ(steps, 2);
}

TEST(Scheduler, AThrowIsFollowedByAnotherStep) {
  std::counting_semaphore<> done(0);
  std::atomic<bool> first{true};
  auto loop = threads().loop("test", [&] {
    if (first.exchange(false)) throw std::runtime_error("thrown on purpose");
    done.release();
    return Scheduler::kUntilWoken;
  });
  EXPECT_TRUE(done.try_acquire_for(kBound));
}

}  // namespace
}  // namespace varve
