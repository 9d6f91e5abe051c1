// The whole daemon, put together: the only place that names concrete classes.
#pragma once

#include <memory>

#include "daemon/config.h"
#include "recovery/store_backup.h"

namespace varve::daemon {

class App {
 public:
  // Locks the store (a second daemon on it throws Error(Unavailable)), opens everything, takes over what was left.
  explicit App(Config config);
  ~App();

  void start();  // begins to serve
  void stop();   // drains: running requests and tasks end, attached volumes stay served

  std::string url() const;
  std::filesystem::path openrc() const;

  // Copies the store (recovery/store_backup.h); start()ed or not.
  recovery::BackupReport back_up(const std::filesystem::path& target);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace varve::daemon
