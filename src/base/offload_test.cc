#include "base/offload.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <semaphore>

namespace varve {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

constexpr milliseconds kLong = std::chrono::seconds(60);

asio::awaitable<int> ask(Offload& calls, milliseconds limit, std::function<int()> call) {
  co_return co_await calls.run_for(limit, std::move(call));
}

class OffloadTest : public testing::Test {
 protected:
  // Runs it to its end: what it returned, or the text of what it threw.
  std::string outcome(asio::awaitable<int> question) {
    std::string out;
    asio::co_spawn(io_, std::move(question), [&out](std::exception_ptr fault, int value) {
      out = std::to_string(value);
      if (!fault) return;
      try {
        std::rethrow_exception(fault);
      } catch (const Error& error) {
        out = error.message();
      }
    });
    io_.restart();
    io_.run();
    return out;
  }

  asio::io_context io_;
};

TEST_F(OffloadTest, ReturnsAndThrowsWhatTheCallDoes) {
  Offload calls(1);
  EXPECT_EQ(outcome(ask(calls, kLong, [] { return 7; })), "7");
  EXPECT_EQ(outcome(ask(calls, kLong, []() -> int { throw Error(ErrorCode::NotFound, "gone"); })), "gone");
  calls.end();
  EXPECT_EQ(outcome(ask(calls, kLong, [] { return 7; })), "varved stops");
}

TEST_F(OffloadTest, WaitsNoLongerThanItIsTold) {
  Offload calls(1);
  std::binary_semaphore hung(0);
  EXPECT_EQ(outcome(ask(calls, milliseconds(1), [&] { return hung.acquire(), 1; })), "there was no answer in time");
  hung.release();
  EXPECT_EQ(outcome(ask(calls, kLong, [] { return 2; })), "2");
  calls.end();
}

TEST_F(OffloadTest, AThreadMayWaitForAnAnswer) {
  Offload calls(1);
  EXPECT_EQ(calls.wait_for(kLong, [] { return 7; }), 7);
  EXPECT_THROW(calls.wait_for(kLong, []() -> int { throw Error(ErrorCode::NotFound, "gone"); }), Error);
  std::binary_semaphore hung(0);
  EXPECT_EQ(calls.wait_for(milliseconds(1), [&] { return hung.acquire(), 1; }), std::nullopt);
  hung.release();
  EXPECT_EQ(calls.wait_for(kLong, [] { return 2; }), 2);
  calls.end();
  EXPECT_EQ(calls.wait_for(kLong, [] { return 7; }), std::nullopt);
}

TEST_F(OffloadTest, TooManyCallsWithoutAnAnswerAreRefused) {
  Offload calls(1, 2);
  std::counting_semaphore<2> hung(0);
  auto hang = [&] { return hung.acquire(), 1; };
  for (int i = 0; i < 2; ++i) EXPECT_EQ(outcome(ask(calls, milliseconds(1), hang)), "there was no answer in time");
  EXPECT_EQ(outcome(ask(calls, kLong, [] { return 2; })), "too many calls have not been answered yet");
  hung.release(2);
  calls.end();
}

}  // namespace
}  // namespace varve
