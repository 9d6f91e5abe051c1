#include "base/quarantine.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/clock.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"

namespace varve {

namespace fs = std::filesystem;

namespace {

constexpr char kReason[] = ".reason";

// Unlike rename() it never replaces what has the name already.
bool move_if_free(const fs::path& from, const fs::path& to) {
  bool moved = !fault::fails(fault::Kind::Rename) &&
               ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0;
  if (moved) return true;
  if (errno == EEXIST) return false;
  // A file system that knows no such rename; the store is ours alone, so nobody takes the name in between.
  if (errno == EINVAL || errno == ENOSYS) {
    if (fs::exists(fs::symlink_status(to))) return false;
    if (::rename(from.c_str(), to.c_str()) == 0) return true;
  }
  throw files::fault_of(errno, "cannot move " + from.string() + " to " + to.string());
}

void sync_both(const fs::path& one, const fs::path& other) {
  files::sync_directory(one.parent_path());
  files::sync_directory(other.parent_path());
}

}  // namespace

fs::path set_aside(const fs::path& file, const fs::path& directory, std::string_view reason) {
  files::make_directory(directory);
  fs::path place = directory / file.filename();
  for (int number = 1; !move_if_free(file, place); ++number) {
    place = directory / (file.filename().string() + "." + std::to_string(number));
  }
  sync_both(file, place);
  log::warning("a file that nobody can account for was set aside",
               {{"file", file.string()}, {"now", place.string()}, {"reason", reason}});
  note_reason(place, file, reason);
  return place;
}

void note_reason(const fs::path& place, const fs::path& was, std::string_view reason) {
  boost::json::object note{{"was", was.string()}, {"reason", reason}, {"at", format_time_z(SystemClock().now())}};
  try {
    files::replace_atomically(place.string() + kReason, boost::json::serialize(note) + "\n");
  } catch (const Error& fault) {
    // The file is safe; that it lies here tells enough.
    log::warning("the reason could not be noted", {{"file", place.string()}, {"error", fault.message()}});
  }
}

void put_back(const fs::path& file, const fs::path& place) {
  if (!move_if_free(file, place)) {
    throw Error(ErrorCode::BackendFailed, "cannot put " + file.string() + " back: " + place.string() + " is there");
  }
  sync_both(file, place);
  std::error_code ignored;
  fs::remove(file.string() + kReason, ignored);
  log::warning("a file was put back from quarantine", {{"file", place.string()}});
}

}  // namespace varve
