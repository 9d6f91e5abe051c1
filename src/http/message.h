// One HTTP exchange, as the layers above see it.
#pragma once

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/verb.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace varve::http {

using Verb = boost::beast::http::verb;

struct Request {
  Verb method = Verb::unknown;
  std::string method_name;
  std::string path;   // as sent, without the query, not decoded
  std::string query;  // without '?', not decoded
  boost::beast::http::fields headers;
  std::string body;
  std::string request_id;  // "req-<uuid>", made by the server
  std::string peer;        // the client's address, without port
  bool secure = false;     // over TLS

  std::string_view header(std::string_view name) const {
    auto found = headers.find(boost::beast::string_view(name.data(), name.size()));
    if (found == headers.end()) return {};
    return {found->value().data(), found->value().size()};
  }
};

struct Response {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  bool close = false;  // end the connection after this reply
};

// Decoded query parameters in the order sent. Throws Error(InvalidInput) for a broken escape, bad UTF-8, or too many.
using Query = std::vector<std::pair<std::string, std::string>>;
Query parse_query(std::string_view text);

}  // namespace varve::http
