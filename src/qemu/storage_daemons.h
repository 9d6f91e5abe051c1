// The QEMU storage daemons of this host: one for offline work on images, one a volume whose bytes are in use.
//
// A daemon is a process of its own (detached, so that it outlives varved) with a directory `<root>/<key>/` that holds
// its QMP socket, its pid file, its log and, later, its NBD socket. Its key is "pool" or a volume's id. Any thread.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "qemu/qmp_client.h"

namespace varve::qemu {

class StorageDaemon {
 public:
  StorageDaemon(std::string key, std::filesystem::path directory, pid_t pid, std::unique_ptr<QmpClient> qmp);

  const std::string& key() const { return key_; }
  const std::filesystem::path& directory() const { return directory_; }
  pid_t pid() const { return pid_; }
  QmpClient& qmp() { return *qmp_; }

 private:
  std::string key_;
  std::filesystem::path directory_;
  pid_t pid_;
  std::unique_ptr<QmpClient> qmp_;
};

class StorageDaemons {
 public:
  // program: the qemu-storage-daemon binary.
  StorageDaemons(std::filesystem::path root, std::string program);

  // A daemon that varved knows or finds running from before; nullptr if there is none. A found one is kept.
  std::shared_ptr<StorageDaemon> find(const std::string& key);

  // find(), or a new process. Throws Error(Unavailable) when it does not come up.
  std::shared_ptr<StorageDaemon> start(const std::string& key);

  // Asks the daemon to flush and quit, waits for its end, removes its directory. Nothing happens if there is none.
  void stop(const std::string& key);

  // Keys that have a directory: daemons that run, or ran until a crash.
  std::vector<std::string> keys() const;

  // Called (on an unspecified thread, without locks) when a daemon ends that nobody asked to end.
  void on_lost(std::function<void(const std::string& key)> callback);

  // Lets go of all connections; the daemons go on.
  void release_all();

 private:
  std::shared_ptr<StorageDaemon> adopt(const std::string& key);
  std::shared_ptr<StorageDaemon> spawn(const std::string& key);
  std::shared_ptr<StorageDaemon> keep(std::shared_ptr<StorageDaemon> daemon);

  const std::filesystem::path root_;
  const std::string program_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<StorageDaemon>> daemons_;
  std::function<void(const std::string&)> on_lost_;
};

}  // namespace varve::qemu
