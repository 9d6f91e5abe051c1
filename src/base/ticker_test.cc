#include "base/ticker.h"

#include <gtest/gtest.h>

#include <future>
#include <stdexcept>

namespace varve {
namespace {

TEST(TickerTest, WhatFailsIsDoneAgainAndKeepsNobodyFromTheirs) {
  SystemClock clock;
  Ticker ticker(clock, threads());
  int failures = 0;
  std::promise<void> third;
  ticker.every(std::chrono::seconds(0), "a check", [&] {
    if (++failures == 3) third.set_value();
    throw std::runtime_error("the disk is full");
  });
  int others = 0;
  ticker.every(std::chrono::seconds(0), "another check", [&] { ++others; });
  ticker.every(std::chrono::hours(1), "the hourly check", [] { FAIL() << "it is not due"; });
  ticker.start();
  ASSERT_EQ(third.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
  ticker.stop();
  EXPECT_GT(others, 1);
}

TEST(TickerTest, StopsWithoutHavingBegun) {
  SystemClock clock;
  Ticker ticker(clock, threads());
  ticker.every(std::chrono::seconds(1), "nothing", [] {});
  ticker.stop();
}

}  // namespace
}  // namespace varve
