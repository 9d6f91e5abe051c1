// One connection: reads requests one after the other, has each handled, writes the replies in order.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "http/server.h"

namespace varve::http {

// What all connections of a server share.
struct Shared {
  Config config;
  Handler handler;
  Fault fault;
  Clock& clock;
  Rng& rng;
  std::atomic<std::size_t> connections{0};
  std::atomic<bool> draining{false};
};

// What the sweeper of a thread sees of a connection.
class ConnectionBase {
 public:
  virtual ~ConnectionBase() = default;
  virtual void abort() = 0;  // closes the socket; the coroutine ends
  virtual boost::asio::awaitable<void> run() = 0;

  bool expired(std::chrono::steady_clock::time_point now) const { return now >= deadline_; }
  bool idle() const { return idle_; }

 protected:
  std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::time_point::max();
  bool idle_ = true;
};

std::shared_ptr<ConnectionBase> make_connection(Shared& shared, boost::asio::ip::tcp::socket socket,
                                                boost::asio::ssl::context* tls);

}  // namespace varve::http
