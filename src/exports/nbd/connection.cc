#include "exports/nbd/connection.h"

#include "base/text.h"

namespace varve::nbd {

namespace {
constexpr char kProtocol[] = "nbd";
constexpr std::string_view kUnix = "nbd+unix:///";
constexpr std::string_view kSocket = "?socket=";
constexpr std::string_view kTcp = "nbd://";
}  // namespace

model::Connection unix_connection(const std::filesystem::path& socket, const AttachmentId& attachment) {
  const std::string& name = attachment.str();
  return {kProtocol,
          {{"uri", std::string(kUnix).append(name).append(kSocket).append(socket.string())},
           {"export_name", name},
           {"socket", socket.string()}}};
}

model::Connection tcp_connection(const std::string& host, int port, const AttachmentId& attachment) {
  const std::string& name = attachment.str();
  return {kProtocol,
          {{"uri", std::string(kTcp).append(host) + ":" + std::to_string(port) + "/" + name},
           {"export_name", name},
           {"host", host},
           {"port", std::int64_t(port)}}};
}

std::optional<model::Connection> connection_of(std::string_view uri, const AttachmentId& attachment) {
  if (std::size_t at = uri.find(kSocket); uri.starts_with(kUnix) && at != std::string_view::npos) {
    return unix_connection(uri.substr(at + kSocket.size()), attachment);
  }
  if (!uri.starts_with(kTcp)) return std::nullopt;
  std::string_view authority = uri.substr(kTcp.size(), uri.find('/', kTcp.size()) - kTcp.size());
  std::size_t colon = authority.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::optional<std::int64_t> port = parse_int(authority.substr(colon + 1));
  if (!port) return std::nullopt;
  return tcp_connection(std::string(authority.substr(0, colon)), static_cast<int>(*port), attachment);
}

std::string uri_of(const model::Connection& connection) {
  return std::get<std::string>(connection.fields.at("uri"));
}

int port_of(const model::Connection& connection) {
  auto found = connection.fields.find("port");
  if (connection.protocol != kProtocol || found == connection.fields.end()) return 0;
  const std::int64_t* port = std::get_if<std::int64_t>(&found->second);
  return port ? static_cast<int>(*port) : 0;
}

}  // namespace varve::nbd
