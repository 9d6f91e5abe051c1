#include "http/connection.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/status.hpp>

#include "base/log.h"
#include "base/text.h"

namespace varve::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
using tcp = asio::ip::tcp;
using Parser = beast::http::request_parser<beast::http::string_body>;
using boost::system::error_code;

namespace {

constexpr std::size_t kReadSize = 8192;
constexpr std::size_t kLingerBytes =
    4U << 20;  // read and dropped of a body that was refused, so that the reply arrives

std::string serialize(const Config& config, const Response& response, bool head, bool keep_alive,
                      const std::string& request_id) {
  std::string out;
  out.reserve(256 + response.body.size());
  out += "HTTP/1.1 ";
  out += std::to_string(response.status);
  out += ' ';
  auto reason = beast::http::obsolete_reason(static_cast<beast::http::status>(response.status));
  out.append(reason.data(), reason.size());
  bool bodiless = response.status == 204 || response.status == 304;
  if (!bodiless) {
    out += "\r\nContent-Type: ";
    out += response.content_type;
    out += "\r\nContent-Length: ";
    out += std::to_string(response.body.size());
  }
  for (const auto& [name, value] : response.headers) {
    out += "\r\n";
    out += name;
    out += ": ";
    out += value;
  }
  for (const std::string& name : config.request_id_headers) {
    out += "\r\n";
    out += name;
    out += ": ";
    out += request_id;
  }
  out += keep_alive ? "\r\nConnection: keep-alive\r\n\r\n" : "\r\nConnection: close\r\n\r\n";
  if (!head && !bodiless) out += response.body;
  return out;
}

// Whatever two servers could read in two ways is refused (RFC 9112, 9.3, 11.2 and 5.2: request smuggling).
void refuse_ambiguous(const Parser& parser, std::string_view header_block) {
  for (std::size_t at = header_block.find('\n'); at != std::string_view::npos; at = header_block.find('\n', at + 1)) {
    if (at == 0 || header_block[at - 1] != '\r')
      throw Error(ErrorCode::MalformedBody, "a header line does not end in CRLF");
    if (at + 1 < header_block.size() && (header_block[at + 1] == ' ' || header_block[at + 1] == '\t')) {
      throw Error(ErrorCode::MalformedBody, "folded header lines are not accepted");
    }
  }
  const auto& message = parser.get();
  auto count = [&](beast::http::field name) { return message.count(name); };
  bool chunked_field = count(beast::http::field::transfer_encoding) > 0;
  if (message.version() >= 11 && count(beast::http::field::host) != 1) {
    throw Error(ErrorCode::MalformedBody, "exactly one Host header is needed");
  }
  if (!chunked_field) {
    if (count(beast::http::field::content_length) > 1)
      throw Error(ErrorCode::MalformedBody, "more than one Content-Length");
    return;
  }
  if (message.version() < 11) throw Error(ErrorCode::MalformedBody, "HTTP/1.0 has no Transfer-Encoding");
  if (count(beast::http::field::content_length) > 0) {
    throw Error(ErrorCode::MalformedBody, "both Content-Length and Transfer-Encoding were sent");
  }
  auto value = message[beast::http::field::transfer_encoding];
  if (count(beast::http::field::transfer_encoding) != 1 || to_lower({value.data(), value.size()}) != "chunked") {
    throw Error(ErrorCode::MalformedBody, "the only Transfer-Encoding accepted is chunked");
  }
}

template <class Stream>
class Connection final : public ConnectionBase, public std::enable_shared_from_this<Connection<Stream>> {
 public:
  Connection(Shared& shared, Stream stream) : shared_(shared), stream_(std::move(stream)) {
    ++shared_.connections;
    error_code fault;
    auto endpoint = socket().remote_endpoint(fault);
    if (!fault) peer_ = endpoint.address().to_string();
  }
  ~Connection() override { --shared_.connections; }

  void abort() override {
    error_code ignored;
    socket().close(ignored);
  }

  asio::awaitable<void> run() override {
    auto self = this->shared_from_this();
    bool secure = co_await handshake();
    bool go_on = secure || !kTls;
    while (go_on && !shared_.draining) go_on = co_await exchange();
    co_await linger();
    abort();
  }

 private:
  static constexpr bool kTls = !std::is_same_v<Stream, tcp::socket>;

  tcp::socket& socket() {
    if constexpr (kTls) {
      return stream_.next_layer();
    } else {
      return stream_;
    }
  }

  void expire_in(std::chrono::seconds time) { deadline_ = shared_.clock.steady() + time; }

  asio::awaitable<bool> handshake() {
    if constexpr (kTls) {
      expire_in(shared_.config.header_timeout);
      error_code fault;
      auto token = asio::redirect_error(asio::use_awaitable, fault);
      co_await stream_.async_handshake(asio::ssl::stream_base::server, token);
      co_return !fault;
    }
    co_return false;
  }

  // Reads more into buffer_; false at the end of the connection.
  asio::awaitable<bool> read_more() {
    std::size_t before = buffer_.size();
    buffer_.resize(before + kReadSize);
    error_code fault;
    auto token = asio::redirect_error(asio::use_awaitable, fault);
    std::size_t got = co_await stream_.async_read_some(asio::buffer(buffer_.data() + before, kReadSize), token);
    buffer_.resize(before + got);
    co_return !fault && got > 0;
  }

  asio::awaitable<bool> write_all(std::string text) {
    error_code fault;
    auto token = asio::redirect_error(asio::use_awaitable, fault);
    co_await asio::async_write(stream_, asio::buffer(text), token);
    co_return !fault;
  }

  // One request and its reply; false when the connection ends.
  asio::awaitable<bool> exchange() {
    request_id_ = "req-" + shared_.rng.uuid();
    std::optional<Error> refusal;
    std::shared_ptr<Request> request;
    try {
      request = co_await read_request();
      if (!request) co_return false;
    } catch (const Error& fault) {
      refusal = fault;
    }
    // The one place beside the API dispatcher that turns an Error into a reply: there was no request to dispatch.
    if (refusal) {
      Response response = shared_.fault(*refusal, request_id_);
      co_await write_all(serialize(shared_.config, response, false, false, request_id_));
      must_linger_ = true;
      co_return false;
    }
    deadline_ = std::chrono::steady_clock::time_point::max();
    bool head = request->method == Verb::head;
    Response response = co_await shared_.handler(request);
    bool keep_alive = keep_alive_ && !response.close && !shared_.draining;
    expire_in(shared_.config.body_timeout);
    bool written = co_await write_all(serialize(shared_.config, response, head, keep_alive, request_id_));
    bool goes_on = written && keep_alive;
    co_return goes_on;
  }

  // The header block with its blank line; empty at a clean end.
  asio::awaitable<std::size_t> read_header_block() {
    idle_ = true;
    expire_in(shared_.config.idle_timeout);
    std::size_t searched = 0;
    for (;;) {
      std::size_t end = buffer_.find("\r\n\r\n", searched);
      if (end != std::string::npos && end + 4 <= shared_.config.max_header_bytes) {
        idle_ = false;
        co_return end + 4;
      }
      if (buffer_.size() >= shared_.config.max_header_bytes || end != std::string::npos) {
        throw Error(ErrorCode::HeaderTooLarge, "the request's header is larger than " +
                                                   std::to_string(shared_.config.max_header_bytes) + " bytes");
      }
      searched = buffer_.size() < 3 ? 0 : buffer_.size() - 3;
      if (!buffer_.empty() && idle_) {
        idle_ = false;
        expire_in(shared_.config.header_timeout);
      }
      bool more = co_await read_more();
      if (!more) co_return 0;
    }
  }

  asio::awaitable<std::shared_ptr<Request>> read_request() {
    // Blank lines in front of a request are skipped (RFC 9112, 2.2).
    std::size_t header_size = co_await read_header_block();
    if (header_size == 0) co_return nullptr;
    Parser parser;
    parser.header_limit(static_cast<std::uint32_t>(shared_.config.max_header_bytes));
    parser.body_limit(shared_.config.max_body_bytes);
    parser.eager(true);
    error_code fault;
    parser.put(asio::buffer(buffer_.data(), header_size), fault);
    if (fault == beast::http::error::need_more) fault = {};
    if (fault == beast::http::error::body_limit) throw_too_large();
    if (fault) throw Error(ErrorCode::MalformedBody, "the request is not HTTP: " + fault.message());
    refuse_ambiguous(parser, std::string_view(buffer_).substr(0, header_size));
    buffer_.erase(0, header_size);
    keep_alive_ = parser.get().keep_alive();
    // Fields that follow a body are none of the header's: they would come after all that looks at it (RFC 9110, 6.5.1).
    std::optional<beast::http::fields> header;
    if (parser.chunked()) header = parser.get().base();
    if (!parser.is_done()) {
      bool whole = co_await read_body(parser);
      if (!whole) co_return nullptr;
    }
    std::shared_ptr<Request> request = make_request(parser.release());
    if (header) request->headers = std::move(*header);
    co_return request;
  }

  asio::awaitable<bool> read_body(Parser& parser) {
    expire_in(shared_.config.body_timeout);
    auto expect = parser.get()[beast::http::field::expect];
    if (to_lower({expect.data(), expect.size()}) == "100-continue") {
      bool written = co_await write_all("HTTP/1.1 100 Continue\r\n\r\n");
      if (!written) co_return false;
    }
    std::size_t read = 0;
    while (!parser.is_done()) {
      if (buffer_.empty()) {
        bool more = co_await read_more();
        if (!more) co_return false;
      }
      error_code fault;
      std::size_t used = parser.put(asio::buffer(buffer_), fault);
      buffer_.erase(0, used);
      read += used;
      if (read > most_on_the_wire()) throw_too_large();
      if (fault == beast::http::error::need_more) {
        refuse_endless_line();
        bool more = co_await read_more();
        if (!more) co_return false;
        continue;
      }
      if (fault == beast::http::error::body_limit) throw_too_large();
      if (fault) throw Error(ErrorCode::MalformedBody, "the request's body is broken: " + fault.message());
    }
    co_return true;
  }

  // A body whose chunks are tiny is several times as large as what is in it.
  std::size_t most_on_the_wire() const {
    constexpr std::size_t kMostFraming = 8;
    return kMostFraming * shared_.config.max_body_bytes + shared_.config.max_header_bytes;
  }

  // What the parser waits for the rest of: the line of a chunk, with its extensions, or the fields behind the last one.
  void refuse_endless_line() const {
    if (buffer_.size() < shared_.config.max_header_bytes) return;
    throw Error(ErrorCode::HeaderTooLarge, "the line of a chunk, or what follows the body, is larger than " +
                                               std::to_string(shared_.config.max_header_bytes) + " bytes");
  }

  [[noreturn]] void throw_too_large() {
    throw Error(ErrorCode::BodyTooLarge, "Request is too large: at most " +
                                             std::to_string(shared_.config.max_body_bytes) + " bytes are accepted.");
  }

  std::shared_ptr<Request> make_request(beast::http::request<beast::http::string_body> message) {
    auto request = std::make_shared<Request>();
    request->method = message.method();
    request->method_name = std::string(message.method_string());
    std::string target(message.target());
    std::size_t mark = target.find('?');
    request->path = target.substr(0, mark);
    if (mark != std::string::npos) request->query = target.substr(mark + 1);
    request->body = std::move(message.body());
    request->headers = std::move(message.base());
    request->request_id = request_id_;
    request->peer = peer_;
    request->secure = kTls;
    return request;
  }

  // A client that is still sending would lose the reply to a reset: read what it sends for a while.
  asio::awaitable<void> linger() {
    if (!must_linger_) co_return;
    error_code ignored;
    if constexpr (!kTls) socket().shutdown(tcp::socket::shutdown_send, ignored);
    expire_in(std::chrono::seconds(2));
    std::size_t dropped = 0;
    bool more = true;
    while (more && dropped < kLingerBytes) {
      dropped += buffer_.size();
      buffer_.clear();
      more = co_await read_more();
    }
  }

  Shared& shared_;
  Stream stream_;
  std::string buffer_;
  std::string peer_;
  std::string request_id_;
  bool keep_alive_ = true;
  bool must_linger_ = false;
};

}  // namespace

std::shared_ptr<ConnectionBase> make_connection(Shared& shared, tcp::socket socket, asio::ssl::context* tls) {
  if (tls != nullptr) {
    using TlsStream = asio::ssl::stream<tcp::socket>;
    return std::make_shared<Connection<TlsStream>>(shared, TlsStream(std::move(socket), *tls));
  }
  return std::make_shared<Connection<tcp::socket>>(shared, std::move(socket));
}

}  // namespace varve::http
