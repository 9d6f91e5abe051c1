#include "base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/fault.h"
#include "base/unique_fd.h"

namespace varve::files {

namespace fs = std::filesystem;
using fault::Kind;

namespace {

[[noreturn]] void fail(std::string_view what, const fs::path& path) {
  throw fault_of(errno, std::string(what) + " " + path.string());
}

void write_all(int fd, std::string_view content, const fs::path& path) {
  while (!content.empty()) {
    ssize_t done = fault::fails(Kind::Write) ? -1 : ::write(fd, content.data(), content.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail("cannot write", path);
    content.remove_prefix(static_cast<std::size_t>(done));
  }
}

// Goes with the scope unless it got another name.
class Temporary {
 public:
  explicit Temporary(fs::path path) : path_(std::move(path)) {}
  ~Temporary() {
    if (!kept_) ::unlink(path_.c_str());
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;

  const fs::path& path() const { return path_; }
  void keep() { kept_ = true; }

 private:
  const fs::path path_;
  bool kept_ = false;
};

}  // namespace

Error fault_of(int number, const std::string& what) {
  ErrorCode code = ErrorCode::BackendFailed;
  if (number == ENOSPC || number == EDQUOT) code = ErrorCode::NoSpace;
  if (number == EROFS) code = ErrorCode::Unavailable;
  return {code, what + ": " + std::strerror(number)};
}

void make_directory(const fs::path& path) {
  if (path.empty() || fs::is_directory(path)) return;
  if (path.has_parent_path()) make_directory(path.parent_path());
  if (!fault::fails(Kind::Create) && ::mkdir(path.c_str(), 0700) == 0) return;
  int number = errno;
  if (number == EEXIST && files::is_directory(path)) return;
  throw fault_of(number, "cannot create directory " + path.string());  // also for a link that leads nowhere
}

void replace_atomically(const fs::path& path, std::string_view content) {
  Temporary temporary(path.string() + ".new");
  const fs::path& file = temporary.path();
  {
    UniqueFd fd(fault::fails(Kind::Create) ? -1 : ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd) fail("cannot create", file);
    write_all(fd.get(), content, file);
    if (fault::fails(Kind::Fsync) || ::fsync(fd.get()) != 0) fail("cannot sync", file);
  }
  if (fault::fails(Kind::Rename) || ::rename(file.c_str(), path.c_str()) != 0) fail("cannot rename", file);
  temporary.keep();
  sync_directory(path.parent_path());
}

std::string read(const fs::path& path) {
  // Nobody waits for who would write into a pipe of that name.
  UniqueFd fd(fault::fails(Kind::Open) ? -1 : ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fd) fail("cannot open", path);
  std::string content;
  char buffer[16384];
  for (;;) {
    ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("cannot read", path);
    if (got == 0) return content;
    content.append(buffer, static_cast<std::size_t>(got));
  }
}

void rename_durably(const fs::path& from, const fs::path& to) {
  if (fault::fails(Kind::Rename) || ::rename(from.c_str(), to.c_str()) != 0) fail("cannot rename", from);
  sync_directory(to.parent_path());
  if (from.parent_path() != to.parent_path()) sync_directory(from.parent_path());
}

bool is_directory(const fs::path& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) == 0) return S_ISDIR(info.st_mode);
  if (errno != ENOENT) fail("cannot examine", path);
  return false;
}

bool exists(const fs::path& path) {
  struct stat info;
  if (::lstat(path.c_str(), &info) == 0) return true;
  if (errno != ENOENT) fail("cannot examine", path);
  return false;
}

std::vector<fs::path> list(const fs::path& directory) {
  std::vector<fs::path> out;
  std::error_code fault;
  fs::directory_iterator entry(directory, fault);
  if (fault == std::errc::no_such_file_or_directory) return out;
  for (; !fault && entry != fs::directory_iterator(); entry.increment(fault)) out.push_back(entry->path());
  if (fault) throw fault_of(fault.value(), "cannot list " + directory.string());
  return out;
}

void remove_durably(const fs::path& path) {
  if (fault::fails(Kind::Unlink) || ::unlink(path.c_str()) != 0) {
    if (errno == ENOENT) return;
    fail("cannot remove", path);
  }
  sync_directory(path.parent_path());
}

void sync_directory(const fs::path& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || fault::fails(Kind::Fsync) || ::fsync(fd.get()) != 0) fail("cannot sync directory", path);
}

std::uint64_t allocated_bytes(const fs::path& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) return 0;
  return static_cast<std::uint64_t>(info.st_blocks) * 512;
}

Space space(const fs::path& path) {
  struct statvfs info;
  if (::statvfs(path.c_str(), &info) != 0) fail("cannot examine", path);
  // Without a file that can be made there is no room for anything.
  bool is_used_up = info.f_files > 0 && info.f_favail == 0;
  return {static_cast<std::uint64_t>(info.f_blocks) * info.f_frsize,
          is_used_up ? 0 : static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize, (info.f_flag & ST_RDONLY) != 0};
}

}  // namespace varve::files
