// Preloaded into varved and its storage daemons: as long as the file VARVE_FAILING_DISK names a directory, every call
// that reads, writes, syncs, opens, renames or removes a file below it fails with EIO, or, when the directory's name is
// behind "hang:", does not return. disks.py is what asks for it.
//
// QEMU's threads are interposed as everything else; its other ways to a file (io_uring) are switched off.

#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>

#include "preload.h"

namespace {

using preload::absolute;
using preload::path_of;

// By the kernel's own calls: none that is interposed.
std::string content_of(const char* path) {
  auto fd = static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC));
  if (fd < 0) return {};
  char text[PATH_MAX];
  auto length = syscall(SYS_read, fd, text, sizeof text);
  syscall(SYS_close, fd);
  return {text, length > 0 ? static_cast<std::size_t>(length) : 0};
}

std::string failing_directory() {
  const char* control = std::getenv("VARVE_FAILING_DISK");
  return control ? content_of(control) : std::string();
}

bool is_below(const std::string& path, std::string_view directory) {
  return !directory.empty() && (path + "/").starts_with(std::string(directory) + "/");
}

// As a disk hangs: whoever looks at the file again finds it gone when the disk is well.
void hang(const std::string& path) {
  constexpr std::string_view kHang = "hang:";
  for (;;) {
    std::string directory = failing_directory();
    if (!directory.starts_with(kHang) || !is_below(path, std::string_view(directory).substr(kHang.size()))) return;
    timespec moment{0, 10'000'000};
    syscall(SYS_nanosleep, &moment, nullptr);
  }
}

// true: the call is to fail, with what errno says.
template <class Path>
bool fails(const Path& path) {
  int before = errno;
  std::string directory = failing_directory();
  if (!directory.empty()) hang(path());
  bool below = !directory.empty() && is_below(path(), directory);
  errno = below ? EIO : before;
  return below;
}

bool fails(int fd) {
  return fails([fd] { return path_of(fd); });
}

bool fails(int directory, const char* path) {
  return fails([&] { return absolute(directory, path); });
}

}  // namespace

// A call with these parameters that fails when the file does.
#define OF_FILE(result, function, parameters, ...)             \
  result function parameters {                                 \
    return fails(fd) ? -1 : REAL(function)(fd, ##__VA_ARGS__); \
  }

extern "C" {

OF_FILE(ssize_t, read, (int fd, void* data, size_t size), data, size)
OF_FILE(ssize_t, readv, (int fd, const iovec* parts, int count), parts, count)
OF_FILE(ssize_t, pread, (int fd, void* data, size_t size, off_t at), data, size, at)
OF_FILE(ssize_t, pread64, (int fd, void* data, size_t size, off64_t at), data, size, at)
OF_FILE(ssize_t, preadv, (int fd, const iovec* parts, int count, off_t at), parts, count, at)
OF_FILE(ssize_t, preadv64, (int fd, const iovec* parts, int count, off64_t at), parts, count, at)
OF_FILE(ssize_t, write, (int fd, const void* data, size_t size), data, size)
OF_FILE(ssize_t, writev, (int fd, const iovec* parts, int count), parts, count)
OF_FILE(ssize_t, pwrite, (int fd, const void* data, size_t size, off_t at), data, size, at)
OF_FILE(ssize_t, pwrite64, (int fd, const void* data, size_t size, off64_t at), data, size, at)
OF_FILE(ssize_t, pwritev, (int fd, const iovec* parts, int count, off_t at), parts, count, at)
OF_FILE(ssize_t, pwritev64, (int fd, const iovec* parts, int count, off64_t at), parts, count, at)
OF_FILE(int, fsync, (int fd))
OF_FILE(int, fdatasync, (int fd))
OF_FILE(int, ftruncate, (int fd, off_t size), size)
OF_FILE(int, ftruncate64, (int fd, off64_t size), size)
OF_FILE(int, fallocate, (int fd, int mode, off_t at, off_t size), mode, at, size)
OF_FILE(int, fallocate64, (int fd, int mode, off64_t at, off64_t size), mode, at, size)

int posix_fallocate(int fd, off_t at, off_t size) {
  return fails(fd) ? EIO : REAL(posix_fallocate)(fd, at, size);
}
int posix_fallocate64(int fd, off64_t at, off64_t size) {
  return fails(fd) ? EIO : REAL(posix_fallocate64)(fd, at, size);
}
ssize_t copy_file_range(int from, off64_t* from_at, int to, off64_t* to_at, size_t size, unsigned flags) {
  return fails(from) || fails(to) ? -1 : REAL(copy_file_range)(from, from_at, to, to_at, size, flags);
}
int io_uring_queue_init(unsigned /*entries*/, void* /*ring*/, unsigned /*flags*/) {
  return -ENOSYS;
}

int open(const char* path, int flags, ...) {
  MODE_OF_CALL;
  return fails(AT_FDCWD, path) ? -1 : REAL(open)(path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  MODE_OF_CALL;
  return fails(AT_FDCWD, path) ? -1 : REAL(open64)(path, flags, mode);
}
int openat(int directory, const char* path, int flags, ...) {
  MODE_OF_CALL;
  return fails(directory, path) ? -1 : REAL(openat)(directory, path, flags, mode);
}
int openat64(int directory, const char* path, int flags, ...) {
  MODE_OF_CALL;
  return fails(directory, path) ? -1 : REAL(openat64)(directory, path, flags, mode);
}

int statvfs(const char* path, struct statvfs* info) noexcept {
  return fails(AT_FDCWD, path) ? -1 : REAL(statvfs)(path, info);
}
int statvfs64(const char* path, struct statvfs64* info) noexcept {
  return fails(AT_FDCWD, path) ? -1 : REAL(statvfs64)(path, info);
}

int rename(const char* from, const char* to) noexcept {
  return fails(AT_FDCWD, from) ? -1 : REAL(rename)(from, to);
}
int renameat2(int from_directory, const char* from, int to_directory, const char* to, unsigned flags) noexcept {
  return fails(from_directory, from) ? -1 : REAL(renameat2)(from_directory, from, to_directory, to, flags);
}
int linkat(int from_directory, const char* from, int to_directory, const char* to, int flags) noexcept {
  return fails(to_directory, to) ? -1 : REAL(linkat)(from_directory, from, to_directory, to, flags);
}
int unlink(const char* path) noexcept {
  return fails(AT_FDCWD, path) ? -1 : REAL(unlink)(path);
}
int unlinkat(int directory, const char* path, int flags) noexcept {
  return fails(directory, path) ? -1 : REAL(unlinkat)(directory, path, flags);
}
int mkdir(const char* path, mode_t mode) noexcept {
  return fails(AT_FDCWD, path) ? -1 : REAL(mkdir)(path, mode);
}

}  // extern "C"
