// Preloaded into varved and its storage daemons, writes down what they change below VARVE_RECORD_ROOT: every write,
// size, name and sync, in one order, in the file VARVE_RECORD_LOG. recording.py makes of it what a power cut could have
// left.
//
// A record follows the call that it tells of, and precedes its return: what a caller may count on is in the log before
// it can do anything about it. Appending one is atomic, for threads and processes alike.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "preload.h"

namespace {

using preload::absolute;
using preload::path_of;

// As recording.py reads it.
enum class Kind : std::uint32_t {
  Create = 1,
  Write,
  Truncate,
  Zero,
  Sync,
  SyncDirectory,
  Rename,
  Exchange,
  Link,
  Unlink,
  Directory
};

struct Header {
  Kind kind;
  std::uint32_t name_length, other_name_length, data_length;
  std::uint64_t inode, offset, length;
};

const std::string& root() {
  static const std::string value = [] {
    const char* given = std::getenv("VARVE_RECORD_ROOT");
    return std::string(given ? given : "") + "/";
  }();
  return value;
}

bool concerned(std::string_view path) {
  return root().size() > 1 && path.starts_with(root()) && !path.ends_with(".log");
}

void append(Header header, std::string_view name, std::string_view other_name, const void* data, std::size_t length) {
  int before = errno;
  static const int log = static_cast<int>(
      syscall(SYS_openat, AT_FDCWD, std::getenv("VARVE_RECORD_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  header.name_length = static_cast<std::uint32_t>(name.size());
  header.other_name_length = static_cast<std::uint32_t>(other_name.size());
  header.data_length = static_cast<std::uint32_t>(length);
  iovec parts[] = {{&header, sizeof header},
                   {const_cast<char*>(name.data()), name.size()},
                   {const_cast<char*>(other_name.data()), other_name.size()},
                   {const_cast<void*>(data), length}};
  auto whole = static_cast<ssize_t>(sizeof header + name.size() + other_name.size() + length);
  if (REAL(writev)(log, parts, 4) != whole) std::abort();
  errno = before;
}

struct Target {
  std::uint64_t inode = 0;
  bool is_directory = false;
  std::string path;
};

// false: it is none of ours.
bool find(int fd, Target& target) {
  int before = errno;
  struct stat info;
  bool is_file = fstat(fd, &info) == 0 && (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode));
  if (is_file) target = {info.st_ino, S_ISDIR(info.st_mode), path_of(fd)};
  errno = before;
  return is_file && concerned(target.path);
}

void tell(Kind kind, int fd, off_t offset, off_t length, const void* data = nullptr, std::size_t bytes = 0) {
  Target target;
  if (!find(fd, target)) return;
  if (target.is_directory) kind = Kind::SyncDirectory;
  Header header{kind, 0, 0, 0, target.inode, static_cast<std::uint64_t>(offset), static_cast<std::uint64_t>(length)};
  append(header, target.is_directory ? target.path : "", "", data, bytes);
}

ssize_t tell_write(int fd, off_t offset, const iovec* parts, int count, ssize_t done) {
  if (done <= 0) return done;
  std::string data;
  for (int i = 0; i < count; ++i) data.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
  tell(Kind::Write, fd, offset, done, data.data(), static_cast<std::size_t>(done));
  return done;
}

// Of a write at the file's own position, which has moved behind it.
off_t begin_of(int fd, ssize_t done) {
  int before = errno;
  off_t end = lseek(fd, 0, SEEK_CUR);
  errno = before;
  return done > 0 ? end - done : 0;
}

int tell_name(Kind kind, const std::string& name, const std::string& other_name, int result) {
  if (result != 0 || (!concerned(name) && !concerned(other_name))) return result;
  append(Header{kind, 0, 0, 0, 0, 0, 0}, name, other_name, nullptr, 0);
  return result;
}

int tell_open(int fd, int flags) {
  Target target;
  if (fd < 0 || !(flags & (O_CREAT | O_TRUNC)) || !find(fd, target)) return fd;
  append(Header{Kind::Create, 0, 0, 0, target.inode, 0, 0}, target.path, "", nullptr, 0);
  if (flags & O_TRUNC) tell(Kind::Truncate, fd, 0, 0);
  return fd;
}

int tell_allocated(int fd, int mode, off_t offset, off_t length, int result) {
  if (result != 0) return result;
  if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) {
    tell(Kind::Zero, fd, offset, length);
  }
  struct stat info;
  if (!(mode & FALLOC_FL_KEEP_SIZE) && fstat(fd, &info) == 0) tell(Kind::Truncate, fd, 0, info.st_size);
  return result;
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  MODE_OF_CALL;
  return tell_open(REAL(open)(path, flags, mode), flags);
}
int open64(const char* path, int flags, ...) {
  MODE_OF_CALL;
  return tell_open(REAL(open64)(path, flags, mode), flags);
}
int openat(int directory, const char* path, int flags, ...) {
  MODE_OF_CALL;
  return tell_open(REAL(openat)(directory, path, flags, mode), flags);
}
int openat64(int directory, const char* path, int flags, ...) {
  MODE_OF_CALL;
  return tell_open(REAL(openat64)(directory, path, flags, mode), flags);
}

ssize_t write(int fd, const void* data, size_t size) {
  ssize_t done = REAL(write)(fd, data, size);
  iovec part{const_cast<void*>(data), size};
  return tell_write(fd, begin_of(fd, done), &part, 1, done);
}
ssize_t writev(int fd, const iovec* parts, int count) {
  ssize_t done = REAL(writev)(fd, parts, count);
  return tell_write(fd, begin_of(fd, done), parts, count, done);
}
ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  iovec part{const_cast<void*>(data), size};
  return tell_write(fd, offset, &part, 1, REAL(pwrite)(fd, data, size, offset));
}
ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  iovec part{const_cast<void*>(data), size};
  return tell_write(fd, offset, &part, 1, REAL(pwrite64)(fd, data, size, offset));
}
ssize_t pwritev(int fd, const iovec* parts, int count, off_t offset) {
  return tell_write(fd, offset, parts, count, REAL(pwritev)(fd, parts, count, offset));
}
ssize_t pwritev64(int fd, const iovec* parts, int count, off64_t offset) {
  return tell_write(fd, offset, parts, count, REAL(pwritev64)(fd, parts, count, offset));
}
ssize_t copy_file_range(int from, off64_t* from_offset, int to, off64_t* to_offset, size_t size, unsigned flags) {
  off64_t at = *to_offset;
  ssize_t done = REAL(copy_file_range)(from, from_offset, to, to_offset, size, flags);
  if (done <= 0) return done;
  std::string data(static_cast<std::size_t>(done), '\0');
  if (pread(from, data.data(), data.size(), *from_offset - done) != done) std::abort();
  tell(Kind::Write, to, at, done, data.data(), data.size());
  return done;
}
// These two change files behind our back: without them varved copies in another way, and QEMU writes by threads.
int ioctl(int fd, unsigned long request, ...) {
  constexpr unsigned long kShareBlocks = 0x40049409;  // FICLONE
  va_list arguments;
  va_start(arguments, request);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  if (request == kShareBlocks) {
    errno = EOPNOTSUPP;
    return -1;
  }
  return REAL(ioctl)(fd, request, argument);
}
int io_uring_queue_init(unsigned /*entries*/, void* /*ring*/, unsigned /*flags*/) {
  return -ENOSYS;
}

int ftruncate(int fd, off_t size) {
  int result = REAL(ftruncate)(fd, size);
  if (result == 0) tell(Kind::Truncate, fd, 0, size);
  return result;
}
int ftruncate64(int fd, off64_t size) {
  int result = REAL(ftruncate64)(fd, size);
  if (result == 0) tell(Kind::Truncate, fd, 0, size);
  return result;
}
int fallocate(int fd, int mode, off_t offset, off_t size) {
  return tell_allocated(fd, mode, offset, size, REAL(fallocate)(fd, mode, offset, size));
}
int fallocate64(int fd, int mode, off64_t offset, off64_t size) {
  return tell_allocated(fd, mode, offset, size, REAL(fallocate64)(fd, mode, offset, size));
}
int posix_fallocate(int fd, off_t offset, off_t size) {
  return tell_allocated(fd, 0, offset, size, REAL(posix_fallocate)(fd, offset, size));
}
int posix_fallocate64(int fd, off64_t offset, off64_t size) {
  return tell_allocated(fd, 0, offset, size, REAL(posix_fallocate64)(fd, offset, size));
}

int fsync(int fd) {
  int result = REAL(fsync)(fd);
  if (result == 0) tell(Kind::Sync, fd, 0, 0);
  return result;
}
int fdatasync(int fd) {
  int result = REAL(fdatasync)(fd);
  if (result == 0) tell(Kind::Sync, fd, 0, 0);
  return result;
}

int rename(const char* from, const char* to) noexcept {
  return tell_name(Kind::Rename, absolute(AT_FDCWD, from), absolute(AT_FDCWD, to), REAL(rename)(from, to));
}
int renameat(int from_directory, const char* from, int to_directory, const char* to) noexcept {
  return tell_name(Kind::Rename, absolute(from_directory, from), absolute(to_directory, to),
                   REAL(renameat)(from_directory, from, to_directory, to));
}
int renameat2(int from_directory, const char* from, int to_directory, const char* to, unsigned flags) noexcept {
  return tell_name(flags & RENAME_EXCHANGE ? Kind::Exchange : Kind::Rename, absolute(from_directory, from),
                   absolute(to_directory, to), REAL(renameat2)(from_directory, from, to_directory, to, flags));
}
int link(const char* from, const char* to) noexcept {
  return tell_name(Kind::Link, absolute(AT_FDCWD, from), absolute(AT_FDCWD, to), REAL(link)(from, to));
}
int linkat(int from_directory, const char* from, int to_directory, const char* to, int flags) noexcept {
  return tell_name(Kind::Link, absolute(from_directory, from), absolute(to_directory, to),
                   REAL(linkat)(from_directory, from, to_directory, to, flags));
}
int unlink(const char* path) noexcept {
  return tell_name(Kind::Unlink, absolute(AT_FDCWD, path), "", REAL(unlink)(path));
}
int unlinkat(int directory, const char* path, int flags) noexcept {
  return tell_name(Kind::Unlink, absolute(directory, path), "", REAL(unlinkat)(directory, path, flags));
}
int remove(const char* path) noexcept {
  return tell_name(Kind::Unlink, absolute(AT_FDCWD, path), "", REAL(remove)(path));
}
int rmdir(const char* path) noexcept {
  return tell_name(Kind::Unlink, absolute(AT_FDCWD, path), "", REAL(rmdir)(path));
}
int mkdir(const char* path, mode_t mode) noexcept {
  return tell_name(Kind::Directory, absolute(AT_FDCWD, path), "", REAL(mkdir)(path, mode));
}

}  // extern "C"
