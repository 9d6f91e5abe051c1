#include "exports/nbd/nbd_exporter.h"

#include <boost/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "exports/nbd/connection.h"

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

// A source's daemon has the source's name.
std::shared_ptr<qemu::StorageDaemon> require_daemon(qemu::StorageDaemons& daemons, const model::Source& source) {
  std::shared_ptr<qemu::StorageDaemon> daemon = daemons.find(source.name());
  if (!daemon) throw Error(ErrorCode::Unavailable, "no storage daemon runs for " + source.name());
  return daemon;
}

void add_export(qemu::QmpClient& qmp, const backends::Device& device, const AttachmentId& attachment, bool read_only) {
  if (has_export(qmp, export_id(attachment))) return;
  qmp.execute("block-export-add", {{"type", "nbd"},
                                   {"id", export_id(attachment)},
                                   {"node-name", device.node},
                                   {"name", attachment.str()},
                                   {"writable", !read_only}});
}

}  // namespace

model::Connection NbdExporter::add(const backends::Device& device, const AttachmentId& attachment, bool read_only,
                                   const std::optional<model::Connection>& previous) {
  std::shared_ptr<qemu::StorageDaemon> daemon = require_daemon(daemons_, device.source);
  model::Connection connection = serve(*daemon, config_.tcp, attachment, previous ? port_of(*previous) : 0);
  add_export(daemon->qmp(), device, attachment, read_only);
  return connection;
}

// A daemon has one server: when clients reach it over TCP, so do we.
std::string NbdExporter::add_local(const backends::Device& device, const AttachmentId& name, bool read_only) {
  std::shared_ptr<qemu::StorageDaemon> daemon = require_daemon(daemons_, device.source);
  bool tcp = std::filesystem::exists(daemon->directory() / "nbd.port");
  model::Connection connection = serve(*daemon, tcp, name, 0);
  add_export(daemon->qmp(), device, name, read_only);
  return uri_of(connection);
}

model::Connection NbdExporter::serve(qemu::StorageDaemon& daemon, bool tcp, const AttachmentId& attachment,
                                     int preferred_port) {
  if (tcp) return tcp_connection(config_.host, serve_tcp(daemon, preferred_port), attachment);
  return unix_connection(serve_unix(daemon), attachment);
}

bool NbdExporter::answers(const model::Source& source) {
  std::shared_ptr<qemu::StorageDaemon> daemon = daemons_.find(source.name());
  if (!daemon) return false;
  try {
    daemon->qmp().execute("query-block-exports");
    return true;
  } catch (const Error&) {
    return false;
  }
}

bool NbdExporter::stalled(const model::Source& source) const {
  std::shared_ptr<qemu::StorageDaemon> daemon = daemons_.known(source.name());
  return daemon && daemon->qmp().stalled();
}

void NbdExporter::remove(const model::Source& source, const AttachmentId& attachment) {
  std::shared_ptr<qemu::StorageDaemon> daemon = daemons_.find(source.name());
  if (!daemon || !has_export(daemon->qmp(), export_id(attachment))) return;
  // The job of the removal ends when the clients are cut off; it must not be missed by a later add of the same id.
  daemon->qmp().execute("block-export-del", {{"id", export_id(attachment)}, {"mode", "hard"}});
  daemon->qmp().wait_until([&] { return !has_export(daemon->qmp(), export_id(attachment)); });
}

std::filesystem::path NbdExporter::serve_unix(qemu::StorageDaemon& daemon) {
  std::filesystem::path socket = daemon.directory() / "nbd.sock";
  if (!std::filesystem::exists(socket)) {
    json::object address{{"type", "unix"}, {"data", json::object{{"path", socket.string()}}}};
    daemon.qmp().execute("nbd-server-start", {{"addr", address}, {"max-connections", kMaxConnections}});
  }
  return socket;
}

// The port is kept in a file beside the daemon's sockets: it tells, after a restart, that the server runs and where.
int NbdExporter::serve_tcp(qemu::StorageDaemon& daemon, int preferred) {
  std::filesystem::path file = daemon.directory() / "nbd.port";
  if (std::filesystem::exists(file)) return static_cast<int>(parse_int(trim(files::read(file))).value_or(0));
  if (std::filesystem::exists(daemon.directory() / "nbd.sock")) {
    throw Error(ErrorCode::Unavailable, "the bytes are being copied; try again later");
  }
  if (preferred != 0 && try_port(daemon, preferred)) return preferred;
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
