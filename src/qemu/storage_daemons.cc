#include "qemu/storage_daemons.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/text.h"

namespace varve::qemu {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr char kPidFlag[] = "--pidfile";
constexpr char kPidFile[] = "pid";
constexpr char kSocket[] = "qmp.sock";
// The sockets of a process that ends are closed before it is gone.
constexpr auto kClosing = milliseconds(1000);
// For one whose work can be done anew it is not waited long.
constexpr auto kGreeting = milliseconds(500);

fs::path pid_file(const fs::path& directory) {
  return directory / kPidFile;
}

constexpr int kTriesForRoom = 3;
constexpr std::uint64_t kNeeded = 64 << 10;  // by a daemon's directory, pid file and log

// It makes new images, which are removed and made again when that was cut off.
bool redoable(const std::string& key) {
  return key == "pool";
}

}  // namespace

StorageDaemon::StorageDaemon(std::shared_ptr<Listener> listener, std::string key, fs::path directory, Process process,
                             const Patience& patience, Peer peer)
    : key_(std::move(key)),
      directory_(std::move(directory)),
      process_(std::move(process)),
      qmp_(std::move(listener), directory_ / kSocket, key_ + " (process " + std::to_string(process_.pid()) + ")",
           patience, peer) {}

StorageDaemons::StorageDaemons(fs::path root, std::string program, const Timeouts& timeouts)
    : root_(std::move(root)),
      program_(std::move(program)),
      patience_(timeouts),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  files::make_directory(root_);
  recall();
  watcher_ = Thread("daemons", [this] { watch(); });
}

StorageDaemons::~StorageDaemons() {
  on_lost({});
  for (const std::string& key : known_keys()) {
    if (redoable(key)) end(key);
  }
  close();
  watcher_.join();
}

std::vector<std::string> StorageDaemons::known_keys() const {
  MutexLock lock(mutex_);
  std::vector<std::string> out;
  for (const auto& [key, daemon] : daemons_) out.push_back(key);
  return out;
}

void StorageDaemons::close() {
  {
    MutexLock lock(mutex_);
    closing_ = true;
  }
  wake();
}

std::shared_ptr<StorageDaemon> StorageDaemons::known(const std::string& key) const {
  MutexLock lock(mutex_);
  auto found = daemons_.find(key);
  return found != daemons_.end() && !found->second->qmp().lost() ? found->second : nullptr;
}

std::shared_ptr<StorageDaemon> StorageDaemons::find(const std::string& key) {
  if (Daemon daemon = known(key)) return daemon;
  KeyedMutex::Lock one(locks_, key);
  return find_locked(one);
}

StorageDaemons::Daemon StorageDaemons::find_locked(const KeyedMutex::Lock& one) {
  const std::string& key = one.key();
  if (Daemon daemon = known(key)) return daemon;
  Daemon before;
  {
    MutexLock lock(mutex_);
    auto found = daemons_.find(key);
    if (found != daemons_.end()) before = found->second;
  }
  if (before && before->process().wait_gone(kClosing)) forget(before);
  std::optional<Process> process = process_of(root_, key);
  if (!process || !is_within_reach(key, *process)) return nullptr;
  log::info("storage daemon adopted", {{"daemon", key}, {"pid", process->pid()}});
  return keep(
      std::make_shared<StorageDaemon>(listener_, key, root_ / key, std::move(*process), patience_, Peer::Adopted));
}

// Of one whose socket somebody has removed nothing can be asked any more, while it keeps its images locked: it is told
// to end, and starts anew when it is needed.
bool StorageDaemons::is_within_reach(const std::string& key, const Process& process) const {
  fs::path directory = root_ / key;
  if (files::exists(directory / kSocket)) return true;
  log::error("a storage daemon has lost its socket and is told to end", {{"daemon", key}, {"pid", process.pid()}});
  process.terminate();
  return !process.wait_gone(patience_.end());
}

// A daemon whose directory somebody has emptied is given its place again.
void StorageDaemons::recall() const {
  for (const auto& [process, value] : Process::all_with(kPidFlag)) {
    fs::path file(value);
    std::error_code unknown;
    fs::path directory = file.parent_path();
    if (file.filename() != kPidFile || !fs::equivalent(root_, directory.parent_path(), unknown)) continue;
    if (files::exists(file)) continue;
    log::warning("a storage daemon has lost its directory", {{"daemon", directory.filename().string()}});
    files::make_directory(root_ / directory.filename());
  }
}

std::shared_ptr<StorageDaemon> StorageDaemons::start(const std::string& key) {
  Daemon daemon = known(key);
  bool usable = daemon && !daemon->told_to_quit && !(redoable(key) && daemon->qmp().stalled());
  if (usable && !is_discarded(key)) return daemon;
  KeyedMutex::Lock one(locks_, key);
  daemon = find_locked(one);
  if (daemon && redoable(key) && daemon->qmp().stalled()) {
    log::error("a storage daemon that does not answer is killed and replaced", {{"daemon", key}});
    end_locked(one);
    daemon = nullptr;
  } else if (daemon && daemon->told_to_quit) {
    stop_locked(one);
    daemon = nullptr;
  }
  if (!daemon) daemon = keep(spawn(key));
  // Not before: one that is to go and does not yet must not be forgotten.
  MutexLock lock(mutex_);
  discarded_.erase(key);
  return daemon;
}

void StorageDaemons::adopt_all() {
  auto deadline = steady_now() + patience_.adoption();
  std::vector<Daemon> found;
  for (const std::string& key : keys()) {
    if (Daemon daemon = find(key)) found.push_back(std::move(daemon));
  }
  for (const Daemon& daemon : found) {
    try {
      if (daemon->qmp().ready_by(deadline)) {
        if (steady_now() < deadline) daemon->qmp().settle();
      } else {
        log::error("a storage daemon does not answer; its volume has to wait for it", {{"daemon", daemon->key()}});
      }
    } catch (const Error& fault) {
      log::error("a storage daemon could not be taken over yet",
                 {{"daemon", daemon->key()}, {"error", fault.message()}});
    }
  }
}

void StorageDaemons::stop(const std::string& key) {
  KeyedMutex::Lock one(locks_, key);
  stop_locked(one);
}

void StorageDaemons::stop_locked(const KeyedMutex::Lock& one) {
  const std::string& key = one.key();
  Daemon daemon = find_locked(one);
  if (daemon && !quits(*daemon, patience_.quit())) {
    throw Error(ErrorCode::Unavailable, "the storage daemon of " + key + " does not quit");
  }
  if (daemon) forget(daemon);
  std::error_code ignored;
  fs::remove_all(root_ / key, ignored);
}

void StorageDaemons::discard(const std::string& key) {
  {
    MutexLock lock(mutex_);
    discarded_.insert(key);
  }
  stop_discarded();
}

void StorageDaemons::stop_discarded() {
  std::set<std::string> keys;
  {
    MutexLock lock(mutex_);
    keys = discarded_;
  }
  for (const std::string& key : keys) {
    KeyedMutex::Lock one(locks_, key);
    if (!is_discarded(key)) continue;
    try {
      stop_locked(one);
      MutexLock lock(mutex_);
      discarded_.erase(key);
    } catch (const Error& fault) {
      log::warning("a storage daemon that nobody needs is stopped later",
                   {{"daemon", key}, {"error", fault.message()}});
    }
  }
}

bool StorageDaemons::is_discarded(const std::string& key) const {
  MutexLock lock(mutex_);
  return discarded_.contains(key);
}

// What it does not answer is no reason to wait: it is asked again by a repeated call.
bool StorageDaemons::quits(StorageDaemon& daemon, milliseconds timeout) {
  daemon.ending = true;
  auto deadline = steady_now() + timeout;
  try {
    daemon.qmp().execute("quit");
    daemon.told_to_quit = true;
  } catch (const Error& fault) {
    daemon.told_to_quit = daemon.told_to_quit || fault.code() == ErrorCode::Unavailable;
    log::debug("storage daemon left without an answer", {{"daemon", daemon.key()}, {"reason", fault.message()}});
    if (!daemon.qmp().lost()) deadline = steady_now();
  }
  bool gone = daemon.process().wait_gone(milliseconds(0));
  while (!gone && steady_now() < deadline) {
    if (patience_.hurried()) deadline = std::min(deadline, steady_now() + patience_.quit());
    gone = daemon.process().wait_gone(kLook);
  }
  if (gone) return true;
  daemon.ending = false;
  return daemon.process().wait_gone(milliseconds(0));
}

void StorageDaemons::end(const std::string& key) {
  KeyedMutex::Lock one(locks_, key);
  end_locked(one);
}

// A killed process that waits for a disk stays for as long, with the images that it has open, and does nothing more.
void StorageDaemons::end_locked(const KeyedMutex::Lock& one) {
  const std::string& key = one.key();
  Daemon daemon = find_locked(one);
  if (daemon) {
    bool answers = daemon->qmp().ready_by(steady_now() + kGreeting);
    if (!answers || !quits(*daemon, patience_.end())) {
      daemon->ending = true;
      daemon->process().kill();
      if (!daemon->process().wait_gone(patience_.end())) {
        log::error("a killed storage daemon does not end; its disk may hang", {{"daemon", key}});
      }
    }
    forget(daemon);
  }
  std::error_code ignored;
  fs::remove_all(root_ / key, ignored);
}

std::vector<std::string> StorageDaemons::keys() const {
  std::vector<std::string> out;
  for (const fs::path& path : files::list(root_)) {
    if (fs::is_directory(path)) out.push_back(path.filename().string());
  }
  return out;
}

void StorageDaemons::on_lost(std::function<void(const std::string&)> callback) {
  MutexLock lock(callback_mutex_);
  on_lost_ = std::move(callback);
}

namespace {

// nullopt also when it cannot be read: a daemon that runs must not be overlooked for that.
std::optional<std::int64_t> pid_in(const fs::path& file) {
  if (!fs::exists(file)) return std::nullopt;
  try {
    return parse_int(trim(files::read(file)));
  } catch (const Error& fault) {
    log::warning("a storage daemon's pid file cannot be read; it is searched for", {{"error", fault.message()}});
    return std::nullopt;
  }
}

}  // namespace

// The pid file names it; without one (it was removed, or varved was killed while it came up) it is searched for.
std::optional<Process> StorageDaemons::process_of(const fs::path& root, const std::string& key) {
  fs::path directory = root / key;
  if (!fs::exists(directory)) return std::nullopt;
  fs::path file = pid_file(directory);
  if (auto pid = pid_in(file)) {
    if (auto process = Process::find(static_cast<pid_t>(*pid), kPidFlag, file)) return process;
  }
  std::vector<Process> found = Process::find_all(kPidFlag, file);
  if (found.empty()) return std::nullopt;
  return std::move(found.back());
}

// What was made may be taken by others before it is used: a few times.
void StorageDaemons::with_room(const std::function<void()>& work) const {
  for (int left = kTriesForRoom;; --left) {
    try {
      work();
      return;
    } catch (const Error& fault) {
      if (fault.code() != ErrorCode::NoSpace || left == 0 || !make_room_ || !make_room_()) throw;
    }
  }
}

StorageDaemons::Daemon StorageDaemons::spawn(const std::string& key) {
  Daemon daemon;
  with_room([&] { daemon = try_spawn(key); });
  return daemon;
}

StorageDaemons::Daemon StorageDaemons::try_spawn(const std::string& key) {
  fs::path directory = root_ / key;
  std::error_code ignored;
  fs::remove_all(directory, ignored);
  files::make_directory(directory);
  std::string fault = launch(directory);
  std::optional<Process> process;
  if (fault.empty()) process = process_of(root_, key);
  if (!process) {
    std::string said(trim(files::read(directory / "log")));
    for (const Process& left : Process::find_all(kPidFlag, pid_file(directory))) left.kill();
    bool full = said.find("No space left") != std::string::npos || files::space(root_).available < kNeeded;
    fs::remove_all(directory, ignored);
    throw Error(full ? ErrorCode::NoSpace : ErrorCode::Unavailable,
                "the storage daemon " + key + " does not start: " + fault + " " + said);
  }
  log::info("storage daemon started", {{"daemon", key}, {"pid", process->pid()}});
  return std::make_shared<StorageDaemon>(listener_, key, directory, std::move(*process), patience_, Peer::New);
}

// With --daemonize the parent returns when the monitor listens. "": it does.
std::string StorageDaemons::launch(const fs::path& directory) {
  std::string socket = (directory / kSocket).string();
  auto started = steady_now();
  bool late = false;
  auto cancelled = [&] { return late = steady_now() - started > patience_.launch(); };
  int status = run_process({program_, "--daemonize", kPidFlag, pid_file(directory).string(), "--chardev",
                            "socket,id=qmp,path=" + socket + ",server=on,wait=off", "--monitor", "chardev=qmp"},
                           directory / "log", cancelled);
  if (late) return "it did not come up within " + std::to_string(patience_.launch().count()) + " ms";
  return status == 0 ? "" : "it ended with status " + std::to_string(status);
}

StorageDaemons::Daemon StorageDaemons::keep(Daemon daemon) {
  Daemon before;  // of which only the connection was lost; destroyed without the lock
  {
    MutexLock lock(mutex_);
    Daemon& place = daemons_[daemon->key()];
    before = std::move(place);
    place = daemon;
  }
  wake();
  return daemon;
}

// It has ended. Who sees that first tells.
void StorageDaemons::forget(const Daemon& daemon) {
  {
    MutexLock lock(mutex_);
    auto found = daemons_.find(daemon->key());
    if (found == daemons_.end() || found->second != daemon) return;
    daemons_.erase(found);
  }
  if (daemon->ending) return;
  log::error("storage daemon died", {{"daemon", daemon->key()}, {"pid", daemon->process().pid()}});
  MutexLock lock(callback_mutex_);
  if (on_lost_) on_lost_(daemon->key());
}

// The thread that sees daemons end.
void StorageDaemons::watch() {
  for (;;) {
    std::vector<Daemon> watched;
    std::vector<pollfd> waiting{{wake_.get(), POLLIN, 0}};
    {
      MutexLock lock(mutex_);
      if (closing_) return;
      for (const auto& [key, daemon] : daemons_) {
        watched.push_back(daemon);
        waiting.push_back({daemon->process().fd(), POLLIN, 0});
      }
    }
    if (::poll(waiting.data(), waiting.size(), -1) < 0) continue;
    std::uint64_t count = 0;
    if (waiting[0].revents != 0 && ::read(wake_.get(), &count, sizeof count) < 0) continue;
    for (std::size_t i = 0; i < watched.size(); ++i) {
      if (waiting[i + 1].revents == 0) continue;
      try {
        forget(watched[i]);
      } catch (const std::exception& fault) {
        log::error("the end of a storage daemon could not be dealt with", {{"error", fault.what()}});
      }
    }
  }
}

void StorageDaemons::wake() {
  std::uint64_t one = 1;
  if (::write(wake_.get(), &one, sizeof one) < 0) log::debug("the watcher of storage daemons is awake already");
}

}  // namespace varve::qemu
