#include "exports/nbd/connection.h"

#include <boost/url/ipv6_address.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url.hpp>

#include "base/text.h"

namespace varve::nbd {

namespace urls = boost::urls;

namespace {
constexpr char kProtocol[] = "nbd";
constexpr char kUnix[] = "nbd+unix";
constexpr char kSocket[] = "socket";

// A plus is one, as QEMU and libnbd have it.
urls::encoding_opts plain() {
  urls::encoding_opts options;
  options.space_as_plus = false;
  return options;
}

void set_host(urls::url& uri, const std::string& host) {
  if (auto address = urls::parse_ipv6_address(host)) {
    uri.set_host_ipv6(*address);
  } else {
    uri.set_host(host);
  }
}

}  // namespace

model::Connection unix_connection(const std::filesystem::path& socket, const AttachmentId& attachment) {
  const std::string& name = attachment.str();
  urls::url uri(std::string(kUnix) + ":///");
  uri.set_path("/" + name);
  uri.params(plain()).set(kSocket, socket.string());
  return {kProtocol, {{"uri", std::string(uri.buffer())}, {"export_name", name}, {"socket", socket.string()}}};
}

model::Connection tcp_connection(const std::string& host, int port, const AttachmentId& attachment) {
  const std::string& name = attachment.str();
  urls::url uri;
  uri.set_scheme(kProtocol);
  set_host(uri, host);
  uri.set_port_number(static_cast<std::uint16_t>(port));
  uri.set_path("/" + name);
  return {kProtocol,
          {{"uri", std::string(uri.buffer())}, {"export_name", name}, {"host", host}, {"port", std::int64_t(port)}}};
}

std::optional<model::Connection> connection_of(std::string_view text, const AttachmentId& attachment) {
  auto uri = urls::parse_uri(text);
  if (!uri) return std::nullopt;
  if (uri->scheme() == kUnix) {
    for (const auto& parameter : uri->params(plain())) {
      if (parameter.key == kSocket) return unix_connection(parameter.value, attachment);
    }
    return std::nullopt;
  }
  constexpr std::int64_t kLastPort = 65535;
  std::int64_t port = parse_int(std::string_view(uri->port())).value_or(0);
  if (uri->scheme() != kProtocol || port < 1 || port > kLastPort) return std::nullopt;
  return tcp_connection(uri->host_address(), static_cast<int>(port), attachment);
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
