// An HTTP/1.1 server: keep-alive, pipelining, TLS, limits on everything. Knows nothing of what is served.
//
// Each thread has an io_context of its own; a connection stays on one. The handler is a coroutine on that thread and
// must not block it. What the handler throws is our bug: the server answers with `fault` and goes on.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "http/message.h"

namespace varve::http {

struct Config {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8776;  // 0: any free one
  unsigned threads = 0;       // 0: one a core
  std::size_t max_connections = 1024;
  std::size_t max_header_bytes = 16U << 10;
  std::size_t max_body_bytes = 114688;  // Cinder's osapi_max_request_body_size
  std::chrono::seconds header_timeout{10};
  std::chrono::seconds body_timeout{30};
  std::chrono::seconds idle_timeout{75};
  std::chrono::seconds drain_timeout{20};
  std::vector<std::string> request_id_headers{"X-Request-Id"};  // of each reply
  std::string tls_certificate;                                  // PEM files; both or none
  std::string tls_key;
};

using Handler = std::function<boost::asio::awaitable<Response>(std::shared_ptr<Request>)>;
// Makes the reply for a request that was refused before it reached the handler.
using Fault = std::function<Response(const Error&, const std::string& request_id)>;

class Server {
 public:
  // Binds and listens; throws Error(Unavailable) when the address cannot be had.
  Server(Config config, Handler handler, Fault fault, Clock& clock, Rng& rng);
  ~Server();

  void start();  // begins to accept
  std::uint16_t port() const;

  // Accepts no more, lets the running requests finish (at most drain_timeout), closes everything, joins the threads.
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace varve::http
