// The pools' directories: made and tried at the start. One that cannot be used then is absent: it harms no other, and
// is looked at again until it is there.

#include <fcntl.h>
#include <unistd.h>

#include "backends/qcow2/daemon_keys.h"
#include "backends/qcow2/qcow2_backend.h"
#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/unique_fd.h"

namespace varve::qcow2 {

namespace fs = std::filesystem;

namespace {

// A file that can be opened to try: an image, or one of holes.
fs::path something_in(const fs::path& directory, const fs::path& probe) {
  UniqueFd fd(::open(probe.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (fd && ::ftruncate(fd.get(), 1 << 16) == 0) return probe;
  for (const fs::path& path : files::list(directory)) {
    if (path.extension() == kLayerSuffix) return path;
  }
  return {};
}

// What O_DIRECT and io_uring do with a file and this storage daemon.
IoOptions probe_io(const fs::path& file, qemu::QmpClient& qmp) {
  auto works = [&](const IoOptions& io) {
    try {
      qmp.execute("blockdev-add", {{"driver", "file"},
                                   {"node-name", "probe"},
                                   {"filename", file.string()},
                                   {"read-only", true},
                                   {"aio", io.aio},
                                   {"cache", boost::json::object{{"direct", io.direct}}}});
      qmp.execute("blockdev-del", {{"node-name", "probe"}});
      return true;
    } catch (const Error& fault) {
      if (fault.code() == ErrorCode::Unavailable) throw;
      return false;
    }
  };
  IoOptions chosen;
  for (const IoOptions& io : {IoOptions{"io_uring", true}, IoOptions{"threads", true}, IoOptions{"io_uring", false}}) {
    if (works(io)) {
      chosen = io;
      break;
    }
  }
  log::info("image I/O", {{"aio", chosen.aio}, {"direct", chosen.direct ? "on" : "off"}});
  return chosen;
}

// A full disk is no reason not to start: images are then served in the way that works everywhere.
IoOptions io_of(const fs::path& directory, qemu::StorageDaemons& daemons) {
  fs::path probe = directory / "probe";
  IoOptions io;
  try {
    fs::path file = something_in(directory, probe);
    if (!file.empty()) io = probe_io(file, daemons.start(kPool)->qmp());
  } catch (const Error& fault) {
    if (fault.code() != ErrorCode::NoSpace) throw;
    log::warning("it was not tried how images are best read and written", {{"error", fault.message()}});
  }
  std::error_code ignored;
  fs::remove(probe, ignored);
  return io;
}

void make_directories(const Pool& pool) {
  files::make_directory(pool.layers());
  files::make_directory(pool.manageable());
}

// A pool that cannot be marked, on a full disk, is used all the same.
void take(const Pool& pool, const fs::path& store) {
  try {
    std::string ours = fs::weakly_canonical(store).string() + "\n";
    if (!files::exists(pool.owner()) || files::read(pool.owner()) != ours)
      files::replace_atomically(pool.owner(), ours);
  } catch (const Error& fault) {
    log::warning("a pool is not marked as the store's", {{"pool", pool.name}, {"error", fault.message()}});
  }
}

}  // namespace

std::vector<Pool> Qcow2Backend::pools_of(const Config& config) {
  std::vector<Pool> pools;
  pools.push_back({{kDefaultPool, config.directory}, {}});
  for (const auto& [name, directory] : config.pools) pools.push_back({{name, directory}, {}});
  return pools;
}

// Runs in the constructor. Without the default pool, which is beside the database, there is nothing to serve.
void Qcow2Backend::prepare_pools(const Survey& found) {
  for (const Pool& pool : images_.pools()) {
    bool is_default = &pool == &images_.pools().front();
    auto fault_found = found.absent_pools.find(pool.name);
    bool was_listed = fault_found == found.absent_pools.end();
    try {
      if (!was_listed) throw Error(ErrorCode::Unavailable, fault_found->second);
      make_directories(pool);
      if (!is_default) take(pool, config_.directory);
      images_.set_io(pool, io_of(pool.layers(), daemons_));
    } catch (const Error& fault) {
      if (is_default && was_listed) throw;
      note_absent(pool, !was_listed, fault.message());
    }
  }
}

// Pools beside the store's own whose disk hangs: nothing that is done to it would come back.
std::map<std::string, std::string> Qcow2Backend::silent_pools() {
  constexpr auto kPatience = std::chrono::seconds(3);
  std::map<std::string, std::string> silent;
  for (const Pool& pool : images_.pools()) {
    if (&pool == &images_.pools().front()) continue;
    {
      MutexLock disks(disks_mutex_);
      disks_.try_emplace(pool.name, pool.root);
    }
    if (!answers(pool.name, kPatience)) silent[pool.name] = "its disk does not answer";
  }
  return silent;
}

bool Qcow2Backend::answers(const std::string& pool, std::chrono::milliseconds patience) {
  MutexLock disks(disks_mutex_);
  auto disk = disks_.find(pool);
  return disk == disks_.end() || disk->second.answers(patience);
}

void Qcow2Backend::note_absent(const Pool& pool, bool is_used, std::string_view why) {
  MutexLock graph(graph_mutex_);
  if (!absent_.try_emplace(pool.name, is_used).second) return;
  log::error("a pool cannot be used; it will be looked at again",
             {{"pool", pool.name}, {"directory", pool.root.string()}, {"error", why}});
}

// What is not found in a pool whose disk was taken away may well be there.
void Qcow2Backend::require_mounted(const std::string& name) {
  const Pool& pool = images_.pool(name);
  if (!is_absent(name) && !files::is_directory(pool.layers()))
    note_absent(pool, true, "its disk is not mounted any more");
  require_present(name);
}

// Before its files are changed: on a disk that hangs this would take a worker away from the others.
void Qcow2Backend::require_answering(const std::string& name) {
  note_if_silent(images_.pool(name));
  require_mounted(name);
}

// Before the files of a chain are read.
void Qcow2Backend::require_answering(const std::vector<LayerId>& chain) {
  std::set<std::string> pools;
  for (const LayerId& layer : chain) pools.insert(images_.pool_of(layer).name);
  for (const std::string& pool : pools) {
    note_if_silent(images_.pool(pool));
    require_present(pool);
  }
}

void Qcow2Backend::note_if_silent(const Pool& pool) {
  constexpr auto kPatience = std::chrono::seconds(1);
  if (!is_absent(pool.name) && !answers(pool.name, kPatience)) note_absent(pool, true, "its disk does not answer");
}

// Whose files are not to be read now.
std::set<std::string> Qcow2Backend::unusable_pools() {
  std::set<std::string> unusable;
  for (const Pool& pool : images_.pools()) {
    note_if_silent(pool);
    if (is_absent(pool.name)) unusable.insert(pool.name);
  }
  return unusable;
}

bool Qcow2Backend::is_absent(const std::string& pool) const {
  const Pool* found = images_.find_pool(pool);
  MutexLock graph(graph_mutex_);
  return found == nullptr || absent_.contains(found->name);
}

void Qcow2Backend::require_present(const std::string& pool) const {
  if (!is_absent(pool)) return;
  throw Error(ErrorCode::Unavailable, "the pool " + pool + " cannot be used now");
}

// What was deleted in it is removed by the next start, which sees everything at once.
void Qcow2Backend::look_for_absent() {
  std::map<std::string, bool> absent;
  {
    MutexLock graph(graph_mutex_);
    absent = absent_;
  }
  for (const auto& [name, is_used] : absent) {
    const Pool& pool = images_.pool(name);
    bool is_default = &pool == &images_.pools().front();
    try {
      if (!answers(name, std::chrono::milliseconds(100)) || (!is_default && foreign(pool, config_.directory)) ||
          (is_used && !files::is_directory(pool.layers())))
        continue;
      make_directories(pool);
      if (!is_default) take(pool, config_.directory);
      files::list(pool.layers());
    } catch (const Error& fault) {
      log::debug("a pool cannot be used yet", {{"pool", name}, {"error", fault.message()}});
      continue;
    }
    log::warning("a pool can be used again", {{"pool", name}});
    MutexLock graph(graph_mutex_);
    absent_.erase(name);
  }
}

}  // namespace varve::qcow2
