// Does an image's file hold what its tables lead to?

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/endian/conversion.hpp>
#include <cerrno>
#include <vector>

#include "backends/qcow2/header.h"
#include "base/unique_fd.h"

namespace varve::qcow2 {

namespace {

using boost::endian::load_big_u32;
using boost::endian::load_big_u64;

constexpr std::size_t kHeader = 104;
constexpr std::uint64_t kOffset = 0x00fffffffffffe00;  // in an entry of a table
constexpr std::uint64_t kCompressed = 1ULL << 62;
constexpr std::uint64_t kReadsAsZero = 1;
constexpr std::uint64_t kWideEntries = 16;  // a feature
constexpr std::uint64_t kMostTable = 64 << 20;
constexpr char kCutOff[] = "its file is cut off";
constexpr char kUnread[] = "its tables cannot be read";

class Extent {
 public:
  Extent(int fd, std::uint64_t size, bool is_written) : fd_(fd), size_(size), is_written_(is_written) {}

  std::optional<std::string> fault() {
    std::vector<unsigned char> header = read(0, kHeader);
    if (header.empty()) return fault_;
    cluster_ = std::uint64_t{1} << load_big_u32(header.data() + 20);
    std::uint64_t counts = std::uint64_t{load_big_u32(header.data() + 56)} * cluster_;
    std::vector<unsigned char> table = read(load_big_u64(header.data() + 48), counts);
    if (table.empty() || ends_within(table)) return fault_;
    has_wide_entries_ = load_big_u32(header.data() + 4) >= 3 && (load_big_u64(header.data() + 72) & kWideEntries) != 0;
    return look_at_tables(load_big_u64(header.data() + 40), std::uint64_t{load_big_u32(header.data() + 36)} * 8);
  }

 private:
  // Whether the last cluster that is in use begins within the file. The file may be shorter all the same: room that was
  // taken and not written to.
  bool ends_within(const std::vector<unsigned char>& table) {
    std::size_t last = table.size() / 8;
    while (last > 0 && load_big_u64(table.data() + 8 * (last - 1)) == 0) --last;
    if (last == 0) return true;
    std::vector<unsigned char> block = read(load_big_u64(table.data() + 8 * (last - 1)) & kOffset, cluster_);
    if (block.empty()) return true;
    constexpr std::size_t kBytesOfCount = 2;  // of all images that are made here
    std::size_t used = block.size() / kBytesOfCount;
    while (used > 0 && block[2 * (used - 1)] == 0 && block[2 * (used - 1) + 1] == 0) --used;
    std::uint64_t clusters = (last - 1) * (cluster_ / kBytesOfCount) + used;
    return clusters == 0 || (clusters - 1) * cluster_ < size_;
  }

  std::optional<std::string> look_at_tables(std::uint64_t at, std::uint64_t bytes) {
    std::vector<unsigned char> roots = read(at, bytes);
    for (std::size_t i = 0; i + 8 <= roots.size() && !fault_; i += 8) {
      std::uint64_t table = load_big_u64(roots.data() + i) & kOffset;
      if (table == 0) continue;
      std::vector<unsigned char> entries = read(table, cluster_);
      for (std::size_t k = is_written_ || has_wide_entries_ ? entries.size() : 0; k + 8 <= entries.size(); k += 8) {
        std::uint64_t entry = load_big_u64(entries.data() + k);
        if ((entry & (kCompressed | kReadsAsZero)) == 0 && (entry & kOffset) >= size_) return kCutOff;
      }
    }
    return fault_;
  }

  // Nothing, and the fault noted, when the file ends before.
  std::vector<unsigned char> read(std::uint64_t at, std::uint64_t bytes) {
    if (bytes == 0) return {};
    if (bytes > kMostTable || at + bytes < at) {
      fault_ = kUnread;
      return {};
    }
    std::vector<unsigned char> out(bytes);
    for (std::size_t done = 0; done < out.size();) {
      ssize_t got = ::pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(at + done));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        // The last table of a file need not be written to its end.
        if (got == 0 && done > 0) return out;
        fault_ = got < 0 ? kUnread : kCutOff;
        return {};
      }
      done += static_cast<std::size_t>(got);
    }
    return out;
  }

  const int fd_;
  const std::uint64_t size_;
  const bool is_written_;
  std::uint64_t cluster_ = 0;
  bool has_wide_entries_ = false;  // with subclusters, which no layer that is made here has: they are not looked at
  std::optional<std::string> fault_;
};

}  // namespace

std::expected<Header, std::string> read_whole(const std::filesystem::path& file, bool is_written) {
  std::expected<Header, std::string> header = read_header(file);
  if (!header) return header;
  UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info;
  if (!fd || ::fstat(fd.get(), &info) != 0) return std::unexpected(std::string(kUnread));
  std::optional<std::string> fault = Extent(fd.get(), static_cast<std::uint64_t>(info.st_size), is_written).fault();
  if (fault) return std::unexpected(std::move(*fault));
  return header;
}

}  // namespace varve::qcow2
