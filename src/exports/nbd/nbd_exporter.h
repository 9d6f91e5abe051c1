// Serves block devices over NBD from QEMU's storage daemons: on a unix socket in the daemon's directory, or on TCP,
// each daemon with a port of its own.
#pragma once

#include <set>

#include "base/mutex.h"
#include "exports/exporter.h"
#include "qemu/storage_daemons.h"

namespace varve::nbd {

struct Config {
  bool tcp = false;  // false: unix sockets
  std::string host = "127.0.0.1";
  int first_port = 10900;
  int last_port = 11899;
};

class NbdExporter final : public exports::Exporter {
 public:
  NbdExporter(Config config, qemu::StorageDaemons& daemons) : config_(std::move(config)), daemons_(daemons) {}

  model::Connection add(const backends::Device& device, const AttachmentId& attachment, bool read_only,
                        const std::optional<model::Connection>& previous) override;
  std::string add_local(const backends::Device& device, const AttachmentId& name, bool read_only) override;
  bool answers(const model::Source& source) override;
  bool stalled(const model::Source& source) const override;
  void remove(const model::Source& source, const AttachmentId& attachment) override;

 private:
  // Starts the daemon's NBD server if it has none.
  model::Connection serve(qemu::StorageDaemon& daemon, bool tcp, const AttachmentId& attachment, int preferred_port);
  static std::filesystem::path serve_unix(qemu::StorageDaemon& daemon);
  int serve_tcp(qemu::StorageDaemon& daemon, int preferred);
  bool try_port(qemu::StorageDaemon& daemon, int port);
  void note_port(qemu::StorageDaemon& daemon, int port);

  const Config config_;
  qemu::StorageDaemons& daemons_;
  Mutex ports_mutex_;
  std::set<int> tried_ VARVE_GUARDED_BY(ports_mutex_);  // ports that a daemon is just being told to take
};

}  // namespace varve::nbd
