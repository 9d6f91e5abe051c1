// The thread on which all connections to storage daemons are heard. Nothing may wait on it: who is told of something
// only notes it down.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "base/thread.h"

namespace varve::qemu {

class Listener {
 public:
  Listener() : thread_("qmp", [this] { io_.run(); }) {}
  // After all that it hears.
  ~Listener() { io_.stop(); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  boost::asio::io_context& io() { return io_; }

 private:
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> busy_ = boost::asio::make_work_guard(io_);
  Thread thread_;
};

}  // namespace varve::qemu
