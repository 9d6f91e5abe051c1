#include "exports/nbd/nbd_exporter.h"

#include <boost/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"

namespace varve::nbd {

namespace json = boost::json;

namespace {

constexpr int kMaxConnections = 64;

std::string export_id(const AttachmentId& attachment) {
  return "export-" + attachment.str();
}

bool has_export(qemu::QmpClient& qmp, const std::string& id) {
  json::value exports = qmp.execute("query-block-exports");
  for (const json::value& entry : exports.as_array()) {
    if (entry.at("id").as_string() == id) return true;
  }
  return false;
}

// 0: none.
int port_of(const std::optional<std::string>& uri) {
  if (!uri || !uri->starts_with("nbd://")) return 0;
  std::size_t colon = uri->rfind(':');
  std::size_t slash = uri->find('/', 6);
  if (colon == std::string::npos || slash == std::string::npos || slash < colon) return 0;
  return static_cast<int>(parse_int(std::string_view(*uri).substr(colon + 1, slash - colon - 1)).value_or(0));
}

}  // namespace

std::string NbdExporter::add(const model::BlockDevice& device, const AttachmentId& attachment, bool read_only,
                             const std::optional<std::string>& previous) {
  std::shared_ptr<qemu::StorageDaemon> daemon = daemon_of(device);
  return add_export(*daemon, serve(*daemon, previous), device, attachment, read_only);
}

// A daemon has one server: when clients reach it over TCP, so do we.
std::string NbdExporter::add_local(const model::BlockDevice& device, const AttachmentId& name, bool read_only) {
  std::shared_ptr<qemu::StorageDaemon> daemon = daemon_of(device);
  bool tcp = std::filesystem::exists(daemon->directory() / "nbd.port");
  return add_export(*daemon, tcp ? serve(*daemon, {}) : serve_unix(*daemon), device, name, read_only);
}

std::shared_ptr<qemu::StorageDaemon> NbdExporter::daemon_of(const model::BlockDevice& device) const {
  std::shared_ptr<qemu::StorageDaemon> daemon = daemons_.find(device.daemon);
  if (!daemon) throw Error(ErrorCode::Unavailable, "no storage daemon runs for " + device.daemon);
  return daemon;
}

std::string NbdExporter::add_export(qemu::StorageDaemon& daemon, const Address& address,
                                    const model::BlockDevice& device, const AttachmentId& attachment, bool read_only) {
  if (!has_export(daemon.qmp(), export_id(attachment))) {
    daemon.qmp().execute("block-export-add", {{"type", "nbd"},
                                              {"id", export_id(attachment)},
                                              {"node-name", device.node},
                                              {"name", attachment.str()},
                                              {"writable", !read_only}});
  }
  return address.front + attachment.str() + address.back;
}

bool NbdExporter::answers(const std::string& daemon_key) {
  std::shared_ptr<qemu::StorageDaemon> daemon = daemons_.find(daemon_key);
  if (!daemon) return false;
  try {
    daemon->qmp().execute("query-block-exports");
    return true;
  } catch (const Error&) {
    return false;
  }
}

bool NbdExporter::stalled(const std::string& daemon_key) const {
  std::shared_ptr<qemu::StorageDaemon> daemon = daemons_.known(daemon_key);
  return daemon && daemon->qmp().stalled();
}

void NbdExporter::remove(const std::string& daemon_key, const AttachmentId& attachment) {
  std::shared_ptr<qemu::StorageDaemon> daemon = daemons_.find(daemon_key);
  if (!daemon || !has_export(daemon->qmp(), export_id(attachment))) return;
  // The job of the removal ends when the clients are cut off; it must not be missed by a later add of the same id.
  daemon->qmp().execute("block-export-del", {{"id", export_id(attachment)}, {"mode", "hard"}});
  daemon->qmp().wait_until([&] { return !has_export(daemon->qmp(), export_id(attachment)); });
}

NbdExporter::Address NbdExporter::serve(qemu::StorageDaemon& daemon, const std::optional<std::string>& previous) {
  if (config_.tcp) {
    return {"nbd://" + config_.host + ":" + std::to_string(serve_tcp(daemon, previous)) + "/", ""};
  }
  return serve_unix(daemon);
}

NbdExporter::Address NbdExporter::serve_unix(qemu::StorageDaemon& daemon) {
  std::string socket = (daemon.directory() / "nbd.sock").string();
  if (!std::filesystem::exists(socket)) {
    json::object address{{"type", "unix"}, {"data", json::object{{"path", socket}}}};
    daemon.qmp().execute("nbd-server-start", {{"addr", address}, {"max-connections", kMaxConnections}});
  }
  return {"nbd+unix:///", "?socket=" + socket};
}

// The port is kept in a file beside the daemon's sockets: it tells, after a restart, that the server runs and where.
int NbdExporter::serve_tcp(qemu::StorageDaemon& daemon, const std::optional<std::string>& previous) {
  std::filesystem::path file = daemon.directory() / "nbd.port";
  if (std::filesystem::exists(file)) return static_cast<int>(parse_int(trim(files::read(file))).value_or(0));
  if (std::filesystem::exists(daemon.directory() / "nbd.sock")) {
    throw Error(ErrorCode::Unavailable, "the bytes are being copied; try again later");
  }
  if (int port = port_of(previous); port != 0 && try_port(daemon, port)) return port;
  for (int port = config_.first_port; port <= config_.last_port; ++port) {
    if (try_port(daemon, port)) return port;
  }
  throw Error(ErrorCode::Unavailable, "no NBD port is free between " + std::to_string(config_.first_port) + " and " +
                                          std::to_string(config_.last_port));
}

// A server of which nobody would know where it is must not stay.
void NbdExporter::note_port(qemu::StorageDaemon& daemon, int port) {
  std::filesystem::path file = daemon.directory() / "nbd.port";
  try {
    daemons_.with_room([&] { files::replace_atomically(file, std::to_string(port) + "\n"); });
  } catch (const Error&) {
    daemon.qmp().execute("nbd-server-stop");
    throw;
  }
}

// No lock is held while a daemon answers: one that does not must not hold up the others.
bool NbdExporter::try_port(qemu::StorageDaemon& daemon, int port) {
  {
    MutexLock lock(ports_mutex_);
    if (!tried_.insert(port).second) return false;
  }
  auto done = [&] {
    MutexLock lock(ports_mutex_);
    tried_.erase(port);
  };
  try {
    json::object address{{"type", "inet"},
                         {"data", json::object{{"host", config_.host}, {"port", std::to_string(port)}}}};
    daemon.qmp().execute("nbd-server-start", {{"addr", address}, {"max-connections", kMaxConnections}});
  } catch (const Error& fault) {
    done();
    if (fault.code() == ErrorCode::Unavailable) throw;
    return false;
  }
  done();
  note_port(daemon, port);
  return true;
}

}  // namespace varve::nbd
