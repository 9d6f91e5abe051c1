// Blocking work for a coroutine: runs on another thread, resumes on the caller's executor, rethrows what it threw.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>

namespace varve {

namespace detail {
template <class T>
boost::asio::awaitable<T> run_there(std::function<T()> work) {
  co_return work();
}
}  // namespace detail

template <class T>
boost::asio::awaitable<T> offload(boost::asio::thread_pool& threads, std::function<T()> work) {
  boost::asio::awaitable<T> there = detail::run_there<T>(std::move(work));
  co_return co_await boost::asio::co_spawn(threads, std::move(there), boost::asio::use_awaitable);
}

}  // namespace varve
