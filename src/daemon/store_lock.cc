#include "daemon/store_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/paths.h"
#include "base/text.h"

namespace varve::daemon {

namespace fs = std::filesystem;

namespace {

// In the run directory: the store that it belongs to.
constexpr char kOwner[] = "store";

// A killed varved may have left a process that is about to become a storage daemon: until then it has the lock.
void take(const UniqueFd& fd, const fs::path& directory, const std::string& what) {
  constexpr auto kPatience = std::chrono::seconds(3);
  auto deadline = steady_now() + kPatience;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) throw files::fault_of(errno, "cannot lock the " + what + " " + directory.string());
    if (steady_now() > deadline) {
      throw Error(ErrorCode::Unavailable, "another varved already runs on the " + what + " " + directory.string());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

// Who is root would make files that the service's user cannot read. The directory itself may be somebody's who only
// lends it.
void require_own(const fs::path& store) {
  struct stat info;
  if (::stat((store / "volumes").c_str(), &info) != 0 || info.st_uid == ::geteuid()) return;
  throw Error(ErrorCode::Unavailable, "the store " + store.string() + " belongs to the user " +
                                          std::to_string(info.st_uid) + "; this must run as that user, not as " +
                                          std::to_string(::geteuid()));
}

// A directory that is not there is made.
DirectoryLock lock(const fs::path& directory, const std::string& what) {
  files::make_directory(directory);
  fs::path file = directory / "varved.lock";
  DirectoryLock held{UniqueFd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
                     UniqueFd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600))};
  if (!held.directory || !held.file) throw Error(ErrorCode::Unavailable, "cannot open " + file.string());
  take(held.file, directory, what);
  try {
    take(held.directory, directory, what);
  } catch (const Error& fault) {
    if (fault.code() == ErrorCode::Unavailable) throw;
    log::debug("the file system has no locks of directories", {{"error", fault.message()}});
  }
  return held;
}

// A store that was moved takes its run directory with it; one that is still there keeps it.
void own(const fs::path& run_directory, const fs::path& store) {
  fs::path file = run_directory / kOwner;
  fs::path ours = fs::weakly_canonical(store);
  if (files::exists(file)) {
    fs::path owner = trim(files::read(file));
    if (owner == ours) return;
    if (files::exists(owner / "varve.db")) {
      throw Error(ErrorCode::Unavailable, "the run directory " + run_directory.string() + " is that of the store " +
                                              owner.string() + "; give each store its own (store.run_directory)");
    }
  }
  try {
    files::replace_atomically(file, ours.string() + "\n");
  } catch (const Error& fault) {
    log::warning("the run directory is not marked as the store's", {{"error", fault.message()}});
  }
}

}  // namespace

StoreLock lock_store(const fs::path& directory, const fs::path& run_directory) {
  require_own(directory);
  StoreLock held{lock(directory, "store"), {}};
  if (!is_within(run_directory, directory)) {
    held.run = lock(run_directory, "run directory");
    own(run_directory, directory);
  }
  return held;
}

}  // namespace varve::daemon
