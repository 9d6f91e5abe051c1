#include "exports/nbd/connection.h"

namespace varve::nbd {

namespace {
constexpr char kProtocol[] = "nbd";
}

model::Connection unix_connection(const std::filesystem::path& socket, const AttachmentId& attachment) {
  const std::string& name = attachment.str();
  return {kProtocol,
          {{"uri", "nbd+unix:///" + name + "?socket=" + socket.string()},
           {"export_name", name},
           {"socket", socket.string()}}};
}

model::Connection tcp_connection(const std::string& host, int port, const AttachmentId& attachment) {
  const std::string& name = attachment.str();
  return {kProtocol,
          {{"uri", "nbd://" + host + ":" + std::to_string(port) + "/" + name},
           {"export_name", name},
           {"host", host},
           {"port", std::int64_t(port)}}};
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
