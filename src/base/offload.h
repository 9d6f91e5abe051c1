// Threads for blocking calls that coroutines wait for: a coroutine resumes on its own executor, with what the call
// returned or threw. The executors of all callers must outlive end(), and what waits for a call is destroyed with its
// executor. An executor runs one thing after the other.
#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <exception>
#include <future>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/clock.h"
#include "base/error.h"

namespace varve {

class Offload {
 public:
  // threads: calls at once; others wait for their turn. Whoever waits is a request, of which there are not too many.
  // 0: a call runs where it is made, for a world of one thread (tests/sim).
  // most: calls of run_for() that have not ended.
  explicit Offload(std::size_t threads, std::size_t most = 64)
      : in_place_(threads == 0), most_(most), threads_(threads) {}

  template <class F>
  boost::asio::awaitable<std::invoke_result_t<F&>> run(F call) {
    boost::asio::awaitable<std::invoke_result_t<F&>> there = call_there(std::move(call));
    if (in_place_) co_return co_await std::move(there);
    co_return co_await boost::asio::co_spawn(threads_, std::move(there), boost::asio::use_awaitable);
  }

  // What begin() gives.
  template <class Value>
  struct Outcome {
    explicit Outcome(const boost::asio::any_io_executor& executor) : timer(executor) {}
    void end(std::exception_ptr thrown, Value returned) {
      fault = std::move(thrown);
      if (!fault) value = std::move(returned);
      timer.cancel();
    }
    boost::asio::steady_timer timer;
    std::exception_ptr fault;
    std::optional<Value> value;
  };
  template <class F>
  using Begun = std::shared_ptr<Outcome<std::invoke_result_t<F&>>>;

  // Waits for at most that long; then Error(Unavailable) is thrown, and the call goes on by itself. Error(Unavailable)
  // too, and no call, when too many have not ended.
  template <class F>
  boost::asio::awaitable<std::invoke_result_t<F&>> run_for(std::chrono::milliseconds limit, F call) {
    Begun<F> begun = begin(co_await boost::asio::this_coro::executor, std::move(call));
    co_return co_await answer(std::move(begun), steady_now() + limit);
  }

  // That in two steps, for who asks several things at once.
  template <class F>
  Begun<F> begin(const boost::asio::any_io_executor& executor, F call) {
    using Value = std::invoke_result_t<F&>;
    auto outcome = std::make_shared<Outcome<Value>>(executor);
    if (ended_ || running_ >= most_) {
      const char* why = ended_ ? "varved stops" : "too many calls have not been answered yet";
      outcome->fault = std::make_exception_ptr(Error(ErrorCode::Unavailable, why));
      return outcome;
    }
    if (in_place_) {
      outcome->value = call();
      return outcome;
    }
    ++running_;
    auto done = [this, outcome, executor](std::exception_ptr fault, Value value) {
      --running_;
      boost::asio::post(executor, [outcome, fault, value = std::move(value)]() mutable {
        outcome->end(std::move(fault), std::move(value));
      });
    };
    boost::asio::co_spawn(threads_, call_there(std::move(call)), std::move(done));
    return outcome;
  }
  // On the executor that begin() was told.
  template <class Value>
  static boost::asio::awaitable<Value> answer(std::shared_ptr<Outcome<Value>> begun,
                                              std::chrono::steady_clock::time_point until) {
    if (!begun->value && !begun->fault) {
      begun->timer.expires_at(until);
      boost::system::error_code cancelled;
      auto token = boost::asio::redirect_error(boost::asio::use_awaitable, cancelled);
      co_await begun->timer.async_wait(token);
    }
    if (begun->fault) std::rethrow_exception(begun->fault);
    if (!begun->value) throw Error(ErrorCode::Unavailable, "there was no answer in time");
    co_return std::move(*begun->value);
  }

  // The same for a thread that may block; nullopt when there is no answer in time, or no call.
  template <class F>
  std::optional<std::invoke_result_t<F&>> wait_for(std::chrono::milliseconds limit, F call) {
    using Value = std::invoke_result_t<F&>;
    if (in_place_) return call();
    if (ended_ || running_ >= most_) return std::nullopt;
    auto outcome = std::make_shared<std::promise<Value>>();
    std::future<Value> answer = outcome->get_future();
    ++running_;
    auto done = [this, outcome](std::exception_ptr fault, Value value) {
      --running_;
      if (fault) {
        outcome->set_exception(fault);
      } else {
        outcome->set_value(std::move(value));
      }
    };
    boost::asio::co_spawn(threads_, call_there(std::move(call)), std::move(done));
    if (answer.wait_for(limit) != std::future_status::ready) return std::nullopt;
    return answer.get();
  }

  // Returns when the calls that have begun are over; those that have not fail with Error(Unavailable).
  void end() {
    ended_ = true;
    threads_.join();
  }

 private:
  template <class F>
  boost::asio::awaitable<std::invoke_result_t<F&>> call_there(F call) {
    if (ended_) throw Error(ErrorCode::Unavailable, "varved stops");
    co_return call();
  }

  const bool in_place_;
  const std::size_t most_;
  std::atomic<std::size_t> running_{0};
  std::atomic<bool> ended_{false};
  boost::asio::thread_pool threads_;
};

}  // namespace varve
