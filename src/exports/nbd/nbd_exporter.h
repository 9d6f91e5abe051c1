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

  std::string add(const model::BlockDevice& device, const AttachmentId& attachment, bool read_only,
                  const std::optional<std::string>& previous) override;
  std::string add_local(const model::BlockDevice& device, const AttachmentId& name, bool read_only) override;
  bool answers(const std::string& daemon) override;
  bool stalled(const std::string& daemon) const override;
  void remove(const std::string& daemon, const AttachmentId& attachment) override;

 private:
  // A URI up to the export's name, and what follows the name.
  struct Address {
    std::string front;
    std::string back;
  };

  std::shared_ptr<qemu::StorageDaemon> daemon_of(const model::BlockDevice& device) const;
  static std::string add_export(qemu::StorageDaemon& daemon, const Address& address, const model::BlockDevice& device,
                                const AttachmentId& attachment, bool read_only);
  // Starts the daemon's NBD server if it has none.
  Address serve(qemu::StorageDaemon& daemon, const std::optional<std::string>& previous);
  static Address serve_unix(qemu::StorageDaemon& daemon);
  int serve_tcp(qemu::StorageDaemon& daemon, const std::optional<std::string>& previous);
  bool try_port(qemu::StorageDaemon& daemon, int port);
  void note_port(qemu::StorageDaemon& daemon, int port);

  const Config config_;
  qemu::StorageDaemons& daemons_;
  Mutex ports_mutex_;
  std::set<int> tried_ VARVE_GUARDED_BY(ports_mutex_);  // ports that a daemon is just being told to take
};

}  // namespace varve::nbd
