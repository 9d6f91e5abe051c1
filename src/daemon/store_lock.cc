#include "daemon/store_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/files.h"

namespace varve::daemon {

UniqueFd lock_store(const std::filesystem::path& directory) {
  files::make_directory(directory);
  std::filesystem::path file = directory / "varved.lock";
  UniqueFd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) throw Error(ErrorCode::Unavailable, "cannot open " + file.string());
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    throw Error(ErrorCode::Unavailable, "another varved already runs on the store " + directory.string());
  }
  return fd;
}

}  // namespace varve::daemon
