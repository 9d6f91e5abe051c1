#include "backends/qcow2/header.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <boost/endian/conversion.hpp>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/fault.h"
#include "base/text.h"
#include "base/unique_fd.h"

namespace varve::qcow2 {

namespace {

constexpr std::uint32_t kMagic = 0x514649fb;  // "QFI\xfb"
constexpr std::size_t kSmallest = 72;         // version 2
constexpr std::size_t kWanted = 104;          // version 3
constexpr std::size_t kLongestName = 1023;
constexpr std::uint64_t kExternalDataFile = 4;
constexpr std::uint32_t kBackingFormat = 0xe2792aca;
constexpr std::size_t kExtensions = 4096;  // more than QEMU writes

// How many bytes could be read; less than wanted at the file's end. -1: errno tells.
ssize_t read_at(int fd, char* data, std::size_t size, off_t offset) {
  std::size_t done = 0;
  while (done < size) {
    ssize_t got = ::pread(fd, data + done, size - done, offset + static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return static_cast<ssize_t>(done);
}

// An image that stands on another one names the other's format in an extension of its header. False, too, when that
// cannot be read.
bool names_a_backing_format(int fd, std::size_t at) {
  using boost::endian::load_big_u32;
  std::array<char, kExtensions> raw{};
  ssize_t got = read_at(fd, raw.data(), raw.size(), 0);
  const auto* bytes = reinterpret_cast<const unsigned char*>(raw.data());
  while (got > 0 && at + 8 <= static_cast<std::size_t>(got)) {
    std::uint32_t type = load_big_u32(bytes + at);
    std::size_t length = load_big_u32(bytes + at + 4);
    if (type == 0 || length > kExtensions) return false;
    if (type == kBackingFormat) return length > 0;
    at += 8 + (length + 7) / 8 * 8;
  }
  return false;
}

std::unexpected<std::string> fault(const char* what) {
  return std::unexpected(std::string(what) + ": " + std::strerror(errno));
}

}  // namespace

std::expected<Header, std::string> read_header(const std::filesystem::path& file) {
  using boost::endian::load_big_u32;
  using boost::endian::load_big_u64;
  UniqueFd fd(fault::fails(fault::Kind::Open) ? -1 : ::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return fault("it cannot be opened");
  std::array<char, kWanted> raw{};
  ssize_t got = read_at(fd.get(), raw.data(), raw.size(), 0);
  if (got < 0) return fault("it cannot be read");
  const auto* bytes = reinterpret_cast<const unsigned char*>(raw.data());
  if (static_cast<std::size_t>(got) < kSmallest) return std::unexpected("it is too short for an image");
  if (load_big_u32(bytes) != kMagic) return std::unexpected("its header is not that of a qcow2 image");

  Header header;
  header.virtual_size = load_big_u64(bytes + 24);
  constexpr std::uint32_t kMostClusterBits = 21;
  std::uint32_t cluster_bits = load_big_u32(bytes + 20);
  if (cluster_bits > kMostClusterBits) return std::unexpected("its header names an impossible size of clusters");
  header.cluster_bytes = 1U << cluster_bits;
  header.encrypted = load_big_u32(bytes + 32) != 0;
  header.foreign_data = load_big_u32(bytes + 4) >= 3 && (load_big_u64(bytes + 72) & kExternalDataFile) != 0;
  std::uint64_t name_at = load_big_u64(bytes + 8);
  if (name_at == 0) {
    // An encrypted layer is made after one that stood on another (encrypted_layers.h): the extension says nothing.
    bool is_old = load_big_u32(bytes + 4) < 3;
    std::size_t extensions = is_old ? kSmallest : load_big_u32(bytes + 100);
    if (!header.encrypted && names_a_backing_format(fd.get(), extensions)) {
      return std::unexpected("its header has lost the name of the image that it stands on");
    }
    return header;
  }
  std::string name(load_big_u32(bytes + 16), '\0');
  if (name.size() > kLongestName) return std::unexpected("its header names a backing file that cannot be");
  got = read_at(fd.get(), name.data(), name.size(), static_cast<off_t>(name_at));
  if (got < 0) return fault("it cannot be read");
  if (static_cast<std::size_t>(got) < name.size()) return std::unexpected("its header is cut off");
  std::filesystem::path parent(name);
  header.has_backing = true;
  std::string stem = parent.stem().string();
  if (parent.extension() == ".qcow2" && is_uuid(stem)) header.parent = LayerId(std::move(stem));
  return header;
}

Header require_header(const std::filesystem::path& file) {
  std::expected<Header, std::string> header = read_header(file);
  if (!header) throw Error(ErrorCode::BackendFailed, "the image " + file.string() + ": " + header.error());
  return *header;
}

}  // namespace varve::qcow2
