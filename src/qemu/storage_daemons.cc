#include "qemu/storage_daemons.h"

#include <signal.h>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/text.h"
#include "qemu/process.h"

namespace varve::qemu {

namespace fs = std::filesystem;

namespace {

constexpr auto kAnswerTimeout = std::chrono::seconds(20);
constexpr auto kQuitTimeout = std::chrono::seconds(60);  // it flushes its images first

// 0 if there is no readable pid file.
pid_t read_pid(const fs::path& directory) {
  fs::path file = directory / "pid";
  if (!fs::exists(file)) return 0;
  auto pid = parse_int(trim(files::read(file)));
  return pid ? static_cast<pid_t>(*pid) : 0;
}

}  // namespace

StorageDaemon::StorageDaemon(std::string key, fs::path directory, pid_t pid, std::unique_ptr<QmpClient> qmp)
    : key_(std::move(key)), directory_(std::move(directory)), pid_(pid), qmp_(std::move(qmp)) {}

StorageDaemons::StorageDaemons(fs::path root, std::string program)
    : root_(std::move(root)), program_(std::move(program)) {
  files::make_directory(root_);
}

std::shared_ptr<StorageDaemon> StorageDaemons::find(const std::string& key) {
  {
    std::lock_guard lock(mutex_);
    auto found = daemons_.find(key);
    if (found != daemons_.end() && !found->second->qmp().lost()) return found->second;
  }
  std::shared_ptr<StorageDaemon> daemon = adopt(key);
  return daemon ? keep(std::move(daemon)) : nullptr;
}

std::shared_ptr<StorageDaemon> StorageDaemons::start(const std::string& key) {
  std::shared_ptr<StorageDaemon> daemon = find(key);
  if (daemon) return daemon;
  return keep(spawn(key));
}

void StorageDaemons::stop(const std::string& key) {
  std::shared_ptr<StorageDaemon> daemon = find(key);
  fs::path directory = root_ / key;
  if (daemon) {
    {
      std::lock_guard lock(mutex_);
      daemons_.erase(key);
    }
    daemon->qmp().on_lost({});
    try {
      daemon->qmp().execute("quit");
    } catch (const Error& fault) {
      log::debug("storage daemon left without an answer", {{"daemon", key}, {"reason", fault.message()}});
    }
    if (!wait_gone(daemon->pid(), kQuitTimeout)) {
      throw Error(ErrorCode::Unavailable, "the storage daemon of " + key + " does not quit");
    }
  }
  std::error_code ignored;
  fs::remove_all(directory, ignored);
}

std::vector<std::string> StorageDaemons::keys() const {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(root_)) out.push_back(entry.path().filename().string());
  return out;
}

void StorageDaemons::on_lost(std::function<void(const std::string&)> callback) {
  std::lock_guard lock(mutex_);
  on_lost_ = std::move(callback);
}

void StorageDaemons::release_all() {
  std::map<std::string, std::shared_ptr<StorageDaemon>> released;
  std::lock_guard lock(mutex_);
  on_lost_ = {};
  for (auto& [key, daemon] : daemons_) daemon->qmp().on_lost({});
  released.swap(daemons_);
}

std::shared_ptr<StorageDaemon> StorageDaemons::adopt(const std::string& key) {
  fs::path directory = root_ / key;
  pid_t pid = read_pid(directory);
  if (pid == 0 || wait_gone(pid, std::chrono::milliseconds(0))) return nullptr;
  try {
    auto qmp = std::make_unique<QmpClient>(directory / "qmp.sock", kAnswerTimeout);
    log::info("storage daemon adopted", {{"daemon", key}, {"pid", pid}});
    return std::make_shared<StorageDaemon>(key, directory, pid, std::move(qmp));
  } catch (const Error& fault) {
    // The pid may be another program's by now: only a process that answers is ours.
    log::debug("no storage daemon to adopt", {{"daemon", key}, {"reason", fault.message()}});
    return nullptr;
  }
}

std::shared_ptr<StorageDaemon> StorageDaemons::spawn(const std::string& key) {
  fs::path directory = root_ / key;
  std::error_code ignored;
  fs::remove_all(directory, ignored);
  files::make_directory(directory);
  fs::path socket = directory / "qmp.sock";
  // With --daemonize the parent returns when the monitor listens.
  int status =
      run_process({program_, "--daemonize", "--pidfile", (directory / "pid").string(), "--chardev",
                   "socket,id=qmp,path=" + socket.string() + ",server=on,wait=off", "--monitor", "chardev=qmp"},
                  directory / "log");
  if (status != 0) {
    throw Error(ErrorCode::Unavailable,
                "the storage daemon does not start: " + std::string(trim(files::read(directory / "log"))));
  }
  auto qmp = std::make_unique<QmpClient>(socket, kAnswerTimeout);
  pid_t pid = read_pid(directory);
  log::info("storage daemon started", {{"daemon", key}, {"pid", pid}});
  return std::make_shared<StorageDaemon>(key, directory, pid, std::move(qmp));
}

std::shared_ptr<StorageDaemon> StorageDaemons::keep(std::shared_ptr<StorageDaemon> daemon) {
  std::string key = daemon->key();
  auto lost = [this, key] {
    std::function<void(const std::string&)> callback;
    {
      std::lock_guard lock(mutex_);
      callback = on_lost_;
    }
    log::error("storage daemon died", {{"daemon", key}});
    if (callback) callback(key);
  };
  daemon->qmp().on_lost(lost);
  std::shared_ptr<StorageDaemon> before;
  std::lock_guard lock(mutex_);
  auto& place = daemons_[key];
  before = std::move(place);  // a lost one; destroyed outside of the map
  place = daemon;
  return daemon;
}

}  // namespace varve::qemu
