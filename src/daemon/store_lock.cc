#include "daemon/store_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <chrono>
#include <thread>

#include "base/error.h"
#include "base/files.h"

namespace varve::daemon {

UniqueFd lock_store(const std::filesystem::path& directory) {
  files::make_directory(directory);
  std::filesystem::path file = directory / "varved.lock";
  UniqueFd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) throw Error(ErrorCode::Unavailable, "cannot open " + file.string());
  // A killed varved may have left a process that is about to become a storage daemon: until then it has the lock.
  constexpr auto kPatience = std::chrono::seconds(3);
  auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      continue;
    }
    throw Error(ErrorCode::Unavailable, "another varved already runs on the store " + directory.string());
  }
  return fd;
}

}  // namespace varve::daemon
