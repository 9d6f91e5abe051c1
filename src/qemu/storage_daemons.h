// The QEMU storage daemons of this host: one for offline work on images, one a volume whose bytes are in use.
//
// A daemon is a process of its own (detached, so that it outlives varved) with a directory `<root>/<key>/` that holds
// its QMP socket, its pid file, its log and, later, its NBD socket. Its key is "pool", the name of an open
// source (a volume's id, "snapshot-<id>"), "resize-<volume>" or "merge-<layer>". Any thread.
//
// A daemon is there as long as its process is, whether or not it answers; the process is known by its arguments
// (process.h). No call waits longer than the timeouts. Only the pool daemon, whose work can be done anew, is ever
// killed: the others may hold what is on no disk yet, of their clients or of an image's tables.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/keyed_mutex.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "qemu/process.h"
#include "qemu/qmp_client.h"

namespace varve::qemu {

class StorageDaemon {
 public:
  StorageDaemon(std::shared_ptr<Listener> listener, std::string key, std::filesystem::path directory, Process process,
                const Patience& patience, Peer peer);

  const std::string& key() const { return key_; }
  const std::filesystem::path& directory() const { return directory_; }
  const Process& process() const { return process_; }
  QmpClient& qmp() { return qmp_; }

  std::atomic<bool> ending{false};        // somebody asked it to end: that is no loss
  std::atomic<bool> told_to_quit{false};  // it will, if late: nothing can be begun with it

 private:
  const std::string key_;
  const std::filesystem::path directory_;
  const Process process_;
  QmpClient qmp_;
};

class StorageDaemons {
 public:
  // program: the qemu-storage-daemon binary.
  StorageDaemons(std::filesystem::path root, std::string program, const Timeouts& timeouts = {});
  // Ends the pool daemon, as end() does; the others go on.
  ~StorageDaemons();

  // A daemon that varved knows or finds running from before, which may not answer; nullptr if there is none. A found
  // one is kept.
  std::shared_ptr<StorageDaemon> find(const std::string& key);
  // Only one that is known already. Never waits.
  std::shared_ptr<StorageDaemon> known(const std::string& key) const;

  // find(), or a new process. A pool daemon that is stalled is ended and replaced; one that was told to quit is waited
  // for. Throws Error(Unavailable) with what the process said when it does not come up, Error(NoSpace) when it is for
  // lack of room.
  std::shared_ptr<StorageDaemon> start(const std::string& key);

  // Finds them all and waits, a little and for all together, until they answer and have settled (qmp_client.h).
  void adopt_all();

  // Asks the daemon to flush and quit, waits for its end, removes its directory. Nothing happens if there is none.
  // Throws Error(Unavailable) when it does not end; then it is there as before and the call can be repeated.
  void stop(const std::string& key);

  // The same for one that nobody needs any more: does not throw, but leaves it to stop_discarded(), which is to be
  // called now and then. One that is wanted again by start() is not discarded any more.
  void discard(const std::string& key);
  void stop_discarded();

  // Ends the pool daemon, by force if it does not go by itself.
  void end(const std::string& key);

  // Keys that have a directory: daemons that run, or ran until a crash.
  std::vector<std::string> keys() const;

  // The process of the key's daemon, whoever started it. Only looks.
  static std::optional<Process> process_of(const std::filesystem::path& root, const std::string& key);

  // Called (on an unspecified thread) when a daemon ends that nobody asked to end. It must not call back. When
  // on_lost() returns, the callback before does not run.
  void on_lost(std::function<void(const std::string& key)> callback);

  // Who can give up some room when the disk is full; false: nothing could be given up. Before any daemon is started.
  void on_full(std::function<bool()> make_room) { make_room_ = std::move(make_room); }
  // What needs a little room in a daemon's directory; it is repeated after room was made for it.
  void with_room(const std::function<void()>& work) const;

  // varved stops: nothing waits for long from now on.
  void hurry() { patience_.hurry(); }
  // varved starts, and does not wait for a daemon's answer for long; until it is called again.
  void be_brief(bool brief) { patience_.be_brief(brief); }

 private:
  using Daemon = std::shared_ptr<StorageDaemon>;

  Daemon find_locked(const KeyedMutex::Lock& one);
  bool is_within_reach(const std::string& key, const Process& process) const;
  void recall() const;
  Daemon spawn(const std::string& key);
  Daemon try_spawn(const std::string& key);
  Daemon keep(Daemon daemon) VARVE_EXCLUDES(mutex_);
  void forget(const Daemon& daemon) VARVE_EXCLUDES(mutex_, callback_mutex_);
  void end_locked(const KeyedMutex::Lock& one);
  void stop_locked(const KeyedMutex::Lock& one);
  bool is_discarded(const std::string& key) const;
  std::string launch(const std::filesystem::path& directory);
  bool quits(StorageDaemon& daemon, std::chrono::milliseconds timeout);
  std::vector<std::string> known_keys() const VARVE_EXCLUDES(mutex_);
  void close() VARVE_EXCLUDES(mutex_);
  void watch();
  void wake();

  const std::filesystem::path root_;
  const std::string program_;
  Patience patience_;
  const std::shared_ptr<Listener> listener_ = std::make_shared<Listener>();
  std::function<bool()> make_room_;
  KeyedMutex locks_;  // a key's: who starts and stops its daemon

  mutable Mutex mutex_;
  std::map<std::string, Daemon> daemons_ VARVE_GUARDED_BY(mutex_);
  std::set<std::string> discarded_ VARVE_GUARDED_BY(mutex_);
  bool closing_ VARVE_GUARDED_BY(mutex_) = false;
  Mutex callback_mutex_;  // held while it runs, so that who takes it back can go
  std::function<void(const std::string&)> on_lost_ VARVE_GUARDED_BY(callback_mutex_);
  UniqueFd wake_;  // tells watch() that daemons_ changed
  Thread watcher_;
};

}  // namespace varve::qemu
