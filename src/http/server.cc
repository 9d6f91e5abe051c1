#include "http/server.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <list>
#include <thread>

#include "base/log.h"
#include "base/thread.h"
#include "http/connection.h"

namespace varve::http {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr auto kSweep = std::chrono::seconds(1);

// A thread with its io_context and its connections.
class Worker {
 public:
  explicit Worker(Shared& shared) : shared_(shared), io_(1), work_(io_.get_executor()), sweeper_(io_) {}

  void start() {
    asio::co_spawn(io_, sweep(), asio::detached);
    thread_ = Thread("http", [this] { io_.run(); });
  }

  asio::io_context& io() { return io_; }

  // On this worker's thread.
  void serve(tcp::socket socket, asio::ssl::context* tls) {
    std::shared_ptr<ConnectionBase> connection = make_connection(shared_, std::move(socket), tls);
    auto place = connections_.insert(connections_.end(), connection);
    auto done = [this, place](std::exception_ptr fault) {
      connections_.erase(place);
      if (!fault) return;
      try {
        std::rethrow_exception(fault);
      } catch (const std::exception& what) {
        log::error("a connection ended by an exception", {{"error", what.what()}});
      }
    };
    asio::co_spawn(io_, connection->run(), done);
  }

  void close_idle() {
    asio::post(io_, [this] {
      for (const auto& connection : connections_) {
        if (connection->idle()) connection->abort();
      }
    });
  }

  void stop() {
    work_.reset();
    io_.stop();
    thread_.join();
  }

 private:
  // One coarse timer instead of a timer for each operation.
  asio::awaitable<void> sweep() {
    for (;;) {
      sweeper_.expires_after(kSweep);
      error_code fault;
      auto token = asio::redirect_error(asio::use_awaitable, fault);
      co_await sweeper_.async_wait(token);
      if (fault) co_return;
      auto now = shared_.clock.steady();
      for (const auto& connection : connections_) {
        if (connection->expired(now)) connection->abort();
      }
    }
  }

  Shared& shared_;
  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  asio::steady_timer sweeper_;
  std::list<std::shared_ptr<ConnectionBase>> connections_;
  Thread thread_;
};

}  // namespace

class Server::Impl {
 public:
  Impl(Config config, Handler handler, Fault fault, Clock& clock, Rng& rng)
      : shared_{std::move(config), std::move(handler), std::move(fault), clock, rng} {
    unsigned threads = shared_.config.threads != 0 ? shared_.config.threads : std::thread::hardware_concurrency();
    for (unsigned i = 0; i < std::max(1U, threads); ++i) workers_.push_back(std::make_unique<Worker>(shared_));
    if (!shared_.config.tls_certificate.empty()) load_tls();
    bind();
  }

  ~Impl() { stop(); }

  void start() {
    for (auto& worker : workers_) worker->start();
    asio::co_spawn(workers_.front()->io(), accept(), asio::detached);
  }

  std::uint16_t port() const { return port_; }

  void stop() {
    if (stopped_) return;
    stopped_ = true;
    shared_.draining = true;
    asio::post(workers_.front()->io(), [this] {
      error_code ignored;
      acceptor_->close(ignored);
    });
    for (auto& worker : workers_) worker->close_idle();
    auto deadline = shared_.clock.steady() + shared_.config.drain_timeout;
    while (shared_.connections > 0 && shared_.clock.steady() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    for (auto& worker : workers_) worker->stop();
  }

 private:
  void load_tls() {
    tls_ = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
    tls_->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 |
                      asio::ssl::context::no_sslv3 | asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1);
    error_code fault;
    tls_->use_certificate_chain_file(shared_.config.tls_certificate, fault);
    if (fault) fail("cannot use the TLS certificate " + shared_.config.tls_certificate, fault);
    tls_->use_private_key_file(shared_.config.tls_key, asio::ssl::context::pem, fault);
    if (fault) fail("cannot use the TLS key " + shared_.config.tls_key, fault);
  }

  void bind() {
    error_code fault;
    auto address = asio::ip::make_address(shared_.config.address, fault);
    if (fault) fail("bad listen address " + shared_.config.address, fault);
    tcp::endpoint endpoint(address, shared_.config.port);
    std::string where = shared_.config.address + ":" + std::to_string(shared_.config.port);
    acceptor_ = std::make_unique<tcp::acceptor>(workers_.front()->io());
    acceptor_->open(endpoint.protocol(), fault);
    if (fault) fail("cannot listen on " + where, fault);
    acceptor_->set_option(asio::socket_base::reuse_address(true), fault);
    acceptor_->bind(endpoint, fault);
    if (fault) fail("cannot listen on " + where, fault);
    acceptor_->listen(asio::socket_base::max_listen_connections, fault);
    if (fault) fail("cannot listen on " + where, fault);
    port_ = acceptor_->local_endpoint().port();
  }

  [[noreturn]] static void fail(const std::string& what, const error_code& fault) {
    throw Error(ErrorCode::Unavailable, what + ": " + fault.message());
  }

  asio::awaitable<void> accept() {
    for (std::size_t next = 0; !shared_.draining; next = (next + 1) % workers_.size()) {
      Worker& worker = *workers_[next];
      error_code fault;
      auto token = asio::redirect_error(asio::use_awaitable, fault);
      tcp::socket socket = co_await acceptor_->async_accept(worker.io(), token);
      if (fault == asio::error::operation_aborted) co_return;
      if (fault) {
        log::warning("cannot accept a connection", {{"error", fault.message()}});
        co_await pause();
        continue;
      }
      socket.set_option(tcp::no_delay(true), fault);
      if (shared_.connections >= shared_.config.max_connections) {
        refuse(std::move(socket));
        continue;
      }
      asio::post(worker.io(), [this, &worker, socket = std::move(socket)]() mutable {
        worker.serve(std::move(socket), tls_.get());
      });
    }
  }

  // Out of descriptors, most likely: give the others time to close some.
  asio::awaitable<void> pause() {
    asio::steady_timer timer(workers_.front()->io(), std::chrono::milliseconds(100));
    error_code ignored;
    auto token = asio::redirect_error(asio::use_awaitable, ignored);
    co_await timer.async_wait(token);
  }

  // A reply that fits any socket buffer, so that it is not waited for.
  static void refuse(tcp::socket socket) {
    static constexpr char kBusy[] =
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.send(asio::buffer(kBusy, sizeof kBusy - 1), 0, ignored);
  }

  Shared shared_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<asio::ssl::context> tls_;
  std::unique_ptr<tcp::acceptor> acceptor_;
  std::uint16_t port_ = 0;
  bool stopped_ = false;
};

Server::Server(Config config, Handler handler, Fault fault, Clock& clock, Rng& rng)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(handler), std::move(fault), clock, rng)) {}
Server::~Server() = default;
void Server::start() {
  impl_->start();
}
std::uint16_t Server::port() const {
  return impl_->port();
}
void Server::stop() {
  impl_->stop();
}

}  // namespace varve::http
