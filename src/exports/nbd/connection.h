// The connection data of an NBD export; its name is the attachment's id.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/id.h"
#include "model/connection.h"

namespace varve::nbd {

model::Connection unix_connection(const std::filesystem::path& socket, const AttachmentId& attachment);
model::Connection tcp_connection(const std::string& host, int port, const AttachmentId& attachment);

// What a URI that came of one of them says; nullopt: it did not.
std::optional<model::Connection> connection_of(std::string_view uri, const AttachmentId& attachment);

// The NBD URI in it (github.com/NetworkBlockDevice/nbd, doc/uri.md).
std::string uri_of(const model::Connection& connection);
// 0: it is not one over TCP.
int port_of(const model::Connection& connection);

}  // namespace varve::nbd
