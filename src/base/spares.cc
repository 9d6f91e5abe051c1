#include "base/spares.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/unique_fd.h"

namespace varve {

namespace fs = std::filesystem;

namespace {

constexpr int kFiles = 32;
constexpr off_t kBytes = 64 << 10;  // of a manifest with some 400 snapshots
constexpr int kReleased = 8;        // half a MiB: directories, sockets and logs of some daemons

fs::path numbered(const fs::path& directory, int number) {
  return directory / std::to_string(number);
}

bool allocate(const fs::path& file) {
  UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  return fd && ::fallocate(fd.get(), FALLOC_FL_KEEP_SIZE, 0, kBytes) == 0;
}

}  // namespace

void Spares::keep() {
  MutexLock lock(mutex_);
  bool whole = true;
  try {
    files::make_directory(directory_);
    for (int number = 0; number < kFiles; ++number) {
      fs::path file = numbered(directory_, number);
      if (files::allocated_bytes(file) >= static_cast<std::uint64_t>(kBytes)) continue;
      if (whole = allocate(file); !whole) break;
    }
  } catch (const std::exception& fault) {
    log::debug("spare files cannot be made", {{"error", fault.what()}});
    whole = false;
  }
  if (!whole && !lacking_) log::warning("not all spare files have their room; changes on a full disk may fail");
  lacking_ = !whole;
}

fs::path Spares::largest() const {
  fs::path found;
  std::uint64_t most = 0;
  for (int number = 0; number < kFiles; ++number) {
    fs::path file = numbered(directory_, number);
    std::uint64_t bytes = files::allocated_bytes(file);
    if (bytes <= most) continue;
    most = bytes;
    found = file;
  }
  return found;
}

// Over the blocks that are there; what is left behind the content goes. Durable when true.
bool Spares::write(const fs::path& spare, std::string_view content) const {
  UniqueFd fd(::open(spare.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return false;
  if (::pwrite(fd.get(), content.data(), content.size(), 0) != static_cast<ssize_t>(content.size())) return false;
  return ::ftruncate(fd.get(), static_cast<off_t>(content.size())) == 0 && ::fsync(fd.get()) == 0;
}

void Spares::replace(const fs::path& path, std::string_view content) {
  try {
    files::replace_atomically(path, content);
    return;
  } catch (const Error& fault) {
    if (fault.code() != ErrorCode::NoSpace || !files::exists(path) || !replace_with_spare(path, content)) throw;
    log::info("a file was replaced with a spare one: the disk is full", {{"file", path.filename().string()}});
  }
  files::sync_directory(path.parent_path());
  files::sync_directory(directory_);
}

bool Spares::replace_with_spare(const fs::path& path, std::string_view content) {
  MutexLock lock(mutex_);
  fs::path spare = largest();
  if (spare.empty() || !write(spare, content)) return false;
  return ::renameat2(AT_FDCWD, spare.c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE) == 0;
}

bool Spares::release() {
  MutexLock lock(mutex_);
  int released = 0;
  for (int number = 0; number < kFiles && released < kReleased; ++number) {
    fs::path file = numbered(directory_, number);
    // Emptied first: a file system may free the blocks only with a commit.
    if (files::allocated_bytes(file) == 0 || ::truncate(file.c_str(), 0) != 0) continue;
    if (::unlink(file.c_str()) == 0) ++released;
  }
  if (released == 0) return false;
  try {
    files::sync_directory(directory_);
  } catch (const Error& fault) {
    log::debug("the release of spare files was not synced", {{"error", fault.message()}});
  }
  return true;
}

}  // namespace varve
