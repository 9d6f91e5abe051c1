// A blocking HTTP client, for the services that varved itself uses. Any thread; each request is a connection of its
// own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace varve::http {

struct ClientConfig {
  std::string ca_file;  // "": the system's
  long connect_timeout_s = 10;
  long stall_timeout_s = 60;  // nothing moved for so long: the request failed
};

struct ClientRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::filesystem::path upload;                // sent instead of body
  std::function<void(std::string_view)> sink;  // takes the reply's body when its status is 2xx; what it throws
                                               // ends the request and reaches the caller
  std::string sign_as;                         // "aws:amz:<region>:s3": signed with AWS signature version 4
  std::string access_key;                      // for that; a colon may be in it (Swift's have one)
  std::string secret_key;
  std::function<bool()> cancelled;  // true: the request is given up
};

struct ClientResponse {
  unsigned status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;                                          // at most kMaxReply bytes; empty when a sink took it

  std::string_view header(std::string_view name) const;  // in lower case; "" if it is not there
};

class Client {
 public:
  static constexpr std::size_t kMaxReply = 4 << 20;

  explicit Client(ClientConfig config) : config_(std::move(config)) {}

  // Throws Error(Unavailable) when there is no whole reply: unreachable, cut off, stalled, cancelled, too large.
  ClientResponse send(const ClientRequest& request) const;

 private:
  const ClientConfig config_;
};

}  // namespace varve::http
