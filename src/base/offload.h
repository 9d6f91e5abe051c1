// Threads for blocking calls that coroutines wait for: a coroutine resumes on its own executor, with what the call
// returned or threw. The executors of all callers must outlive end(), and what waits for a call is destroyed with its
// executor.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <type_traits>
#include <utility>

#include "base/error.h"

namespace varve {

class Offload {
 public:
  // threads: calls at once; others wait for their turn. Whoever waits is a request, of which there are not too many.
  explicit Offload(std::size_t threads) : threads_(threads) {}

  template <class F>
  boost::asio::awaitable<std::invoke_result_t<F&>> run(F call) {
    boost::asio::awaitable<std::invoke_result_t<F&>> there = call_there(std::move(call));
    co_return co_await boost::asio::co_spawn(threads_, std::move(there), boost::asio::use_awaitable);
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

  std::atomic<bool> ended_{false};
  boost::asio::thread_pool threads_;
};

}  // namespace varve
