#include "backends/qcow2/encrypted_layers.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <boost/endian/conversion.hpp>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/unique_fd.h"

namespace varve::qcow2 {

namespace fs = std::filesystem;
using fault::Kind;

namespace {

// As large as any volume will be: a table of clusters that is larger than the size needs does no harm.
constexpr std::int64_t kTemplateBytes = 64LL << 40;
constexpr std::string_view kPlaceholder = "template.qcow2";
constexpr std::size_t kCluster = 65536;
constexpr int kTries = 200;

[[noreturn]] void fail(const char* what, const fs::path& path) {
  throw files::fault_of(errno, std::string("cannot ") + what + " " + path.string());
}

void write_at(int fd, const char* data, std::size_t size, off_t offset, const fs::path& path) {
  while (size > 0) {
    ssize_t done = fault::fails(Kind::Write) ? -1 : ::pwrite(fd, data, size, offset);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) fail("write", path);
    data += done;
    offset += done;
    size -= static_cast<std::size_t>(done);
  }
}

// Holes stay holes.
void copy_sparse(int from, int to, const fs::path& path) {
  off_t end = ::lseek(from, 0, SEEK_END);
  if (end < 0 || ::ftruncate(to, end) != 0) fail("size", path);
  std::array<char, kCluster> buffer{};
  for (off_t data = ::lseek(from, 0, SEEK_DATA); data >= 0 && data < end; data = ::lseek(from, data, SEEK_DATA)) {
    off_t hole = ::lseek(from, data, SEEK_HOLE);
    while (data < hole) {
      auto wanted = std::min<std::size_t>(buffer.size(), static_cast<std::size_t>(hole - data));
      ssize_t got = ::pread(from, buffer.data(), wanted, data);
      if (got <= 0) fail("copy to", path);
      write_at(to, buffer.data(), static_cast<std::size_t>(got), data, path);
      data += got;
    }
  }
}

void put_size_and_backing(int fd, std::int64_t size, const std::optional<std::string>& backing, const fs::path& path) {
  using boost::endian::load_big_u64;
  using boost::endian::store_big_u32;
  using boost::endian::store_big_u64;
  std::array<unsigned char, 32> header{};
  if (::pread(fd, header.data(), header.size(), 0) != static_cast<ssize_t>(header.size())) fail("read", path);
  std::uint64_t name_at = load_big_u64(&header[8]);
  if (backing && name_at + backing->size() > kCluster) {
    throw Error(ErrorCode::BackendFailed, "the path of a pool is too long: " + *backing);
  }
  if (backing) write_at(fd, backing->data(), backing->size(), static_cast<off_t>(name_at), path);
  if (!backing) store_big_u64(&header[8], 0);
  store_big_u32(&header[16], backing ? static_cast<std::uint32_t>(backing->size()) : 0);
  store_big_u64(&header[24], static_cast<std::uint64_t>(size));
  write_at(fd, reinterpret_cast<const char*>(header.data()), header.size(), 0, path);
}

}  // namespace

// QEMU 7.2 cannot measure a fast processor now and then ("Unable to get accurate CPU usage"): it is asked again.
fs::path EncryptedLayers::require_template(const fs::path& directory, const KeyId& key, const Format& format) {
  MutexLock lock(mutex_);
  fs::path path = directory / (key.str() + ".qcow2");
  if (fs::exists(path)) return path;
  files::make_directory(directory);
  fs::path temporary = path.string() + ".new";
  for (int attempt = 1;; ++attempt) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    try {
      format(temporary, kTemplateBytes, std::string(kPlaceholder));
      break;
    } catch (const Error& fault) {
      fs::remove(temporary, ignored);
      if (attempt == kTries || fault.message().find("accurate CPU usage") == std::string::npos) throw;
    }
  }
  try {
    files::rename_durably(temporary, path);
  } catch (const Error&) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    throw;
  }
  return path;
}

void EncryptedLayers::create(const fs::path& file, const KeyId& key, std::int64_t size_bytes,
                             const std::optional<std::string>& backing, const Format& format) {
  fs::path source = require_template(file.parent_path().parent_path() / "templates", key, format);
  UniqueFd from(fault::fails(Kind::Open) ? -1 : ::open(source.c_str(), O_RDONLY | O_CLOEXEC));
  UniqueFd to(fault::fails(Kind::Create) ? -1 : ::open(file.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!from || !to) fail("open", file);
  copy_sparse(from.get(), to.get(), file);
  put_size_and_backing(to.get(), size_bytes, backing, file);
  if (fault::fails(Kind::Fsync) || ::fsync(to.get()) != 0) fail("sync", file);
}

}  // namespace varve::qcow2
