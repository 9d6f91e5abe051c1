#include "store/place.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/error.h"
#include "base/failpoint.h"
#include "base/files.h"
#include "base/unique_fd.h"

namespace varve::store {

namespace {

void remove(const std::string& file) {
  if (::unlink(file.c_str()) != 0 && errno != ENOENT) throw files::fault_of(errno, "cannot remove " + file);
}

void rename_to(const std::string& from, const std::string& to, unsigned flags) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags) != 0) {
    throw files::fault_of(errno, "cannot rename " + from);
  }
}

}  // namespace

Place::Place(std::string path)
    : path_(std::move(path)),
      directory_(look(std::filesystem::path(path_).parent_path())),
      database_(look(path_)),
      log_(look(path_ + "-wal")) {}

Place::File Place::look(const std::string& file) {
  struct stat found{};
  if (::stat(file.c_str(), &found) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return {};
    throw files::fault_of(errno, "the database cannot be looked at");
  }
  return {found.st_dev, found.st_ino, found.st_size == 0};
}

Place::State Place::state() const {
  // The whole store was moved, or its disk is not mounted any more.
  if (!look(std::filesystem::path(path_).parent_path()).is_same(directory_)) return State::Replaced;
  File database = look(path_);
  File log = look(path_ + "-wal");
  if (database.is_same(database_)) {
    if (database.is_empty) return State::Emptied;
    return log.is_same(log_) ? State::Kept : State::Removed;
  }
  // An empty one is what SQLite makes when it opens a path at which nothing is.
  return database.is_empty ? State::Removed : State::Replaced;
}

void Place::copy(Connection& db) const {
  std::string copy = path_ + ".new";
  remove(copy);
  {
    UniqueFd made(::open(copy.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!made) throw files::fault_of(errno, "cannot create " + copy);
  }
  std::string quoted;
  for (char byte : copy) quoted += byte == '\'' ? std::string("''") : std::string(1, byte);
  try {
    db.script("VACUUM INTO '" + quoted + "'");
  } catch (const Error&) {
    ::unlink(copy.c_str());  // when the disk is full, it is in the way of others
    throw;
  }
  UniqueFd written(::open(copy.c_str(), O_RDWR | O_CLOEXEC));
  if (!written || ::fsync(written.get()) != 0) throw files::fault_of(errno, "cannot write " + copy);
}

void Place::restore() const {
  if (state() != State::Removed) throw Error(ErrorCode::Unavailable, "the database is being replaced; try again");
  unsigned flags = look(path_).inode == 0 ? RENAME_NOREPLACE : 0;
  std::string directory = std::filesystem::path(path_).parent_path();
  std::string successor = path_ + kSuccessor;
  rename_to(path_ + ".new", successor, 0);
  try {
    files::sync_directory(directory);
    // The old log would be taken for the new file's.
    remove(path_ + "-wal");
    remove(path_ + "-shm");
    FAILPOINT("database.restore.before_name");
    rename_to(successor, path_, flags);
  } catch (...) {
    ::unlink(successor.c_str());
    throw;
  }
  files::sync_directory(directory);
}

}  // namespace varve::store
