#include "blocks/device.h"

#include <libnbd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"

namespace varve::blocks {

namespace {

constexpr std::uint64_t kMostAtOnce = 1U << 30;  // of one block-status or zero request
constexpr std::size_t kMostBytes = 8U << 20;     // of one read or write
constexpr char kAllocation[] = "base:allocation";

[[noreturn]] void fail(const char* what) {
  int number = nbd_get_errno();
  std::string text = std::string("cannot ") + what + " an export: " + nbd_get_error();
  ErrorCode code = ErrorCode::BackendFailed;
  if (number == ENOSPC) code = ErrorCode::NoSpace;
  if (number == ENOTCONN || number == ESHUTDOWN || number == ECONNRESET || number == ECONNREFUSED || number == EPIPE) {
    code = ErrorCode::Unavailable;
  }
  throw Error(code, text);
}

}  // namespace

struct Device::State {
  nbd_handle* handle = nullptr;
  std::uint64_t size = 0;
  bool maps = false;  // the server tells what is allocated
};

Device::Device(const std::string& uri) : state_(std::make_unique<State>()) {
  state_->handle = nbd_create();
  if (state_->handle == nullptr) fail("prepare");
  nbd_handle* nbd = state_->handle;
  bool connected = nbd_add_meta_context(nbd, kAllocation) == 0 && nbd_connect_uri(nbd, uri.c_str()) == 0;
  std::int64_t size = connected ? nbd_get_size(nbd) : -1;
  if (size < 0) {
    std::string text = std::string("cannot connect to an export: ") + nbd_get_error();
    nbd_close(nbd);
    throw Error(ErrorCode::Unavailable, text);
  }
  state_->size = static_cast<std::uint64_t>(size);
  state_->maps = nbd_can_meta_context(nbd, kAllocation) == 1;
}

Device::~Device() {
  nbd_shutdown(state_->handle, 0);
  nbd_close(state_->handle);
}

std::uint64_t Device::size() const {
  return state_->size;
}

namespace {

struct Collector {
  std::uint64_t offset;
  std::uint64_t end;
  std::vector<Extent>& out;
};

int collect(void* user_data, const char* context, std::uint64_t offset, std::uint32_t* entries, std::size_t count,
            int* /*error*/) {
  auto& into = *static_cast<Collector*>(user_data);
  if (std::string_view(context) != kAllocation || offset != into.offset) return 0;
  for (std::size_t i = 0; i + 1 < count && into.offset < into.end; i += 2) {
    std::uint64_t length = std::min<std::uint64_t>(entries[i], into.end - into.offset);
    bool zero = (entries[i + 1] & LIBNBD_STATE_ZERO) != 0;
    if (!into.out.empty() && into.out.back().zero == zero) {
      into.out.back().length += length;
    } else {
      into.out.push_back({into.offset, length, zero});
    }
    into.offset += length;
  }
  return 0;
}

}  // namespace

std::vector<Extent> Device::extents(std::uint64_t offset, std::uint64_t length) {
  std::vector<Extent> out;
  if (!state_->maps) return {{offset, length, false}};
  Collector collector{offset, offset + length, out};
  while (collector.offset < collector.end) {
    std::uint64_t before = collector.offset;
    nbd_extent_callback callback{.callback = collect, .user_data = &collector, .free = nullptr};
    std::uint64_t wanted = std::min(collector.end - collector.offset, kMostAtOnce);
    if (nbd_block_status(state_->handle, wanted, collector.offset, callback, 0) != 0) fail("map");
    if (collector.offset == before) throw Error(ErrorCode::BackendFailed, "an export does not tell what it holds");
  }
  return out;
}

void Device::read(std::uint64_t offset, std::span<char> out) {
  while (!out.empty()) {
    std::size_t part = std::min(out.size(), kMostBytes);
    if (nbd_pread(state_->handle, out.data(), part, offset, 0) != 0) fail("read");
    out = out.subspan(part);
    offset += part;
  }
}

void Device::write(std::uint64_t offset, std::span<const char> in) {
  while (!in.empty()) {
    std::size_t part = std::min(in.size(), kMostBytes);
    if (nbd_pwrite(state_->handle, in.data(), part, offset, 0) != 0) fail("write");
    in = in.subspan(part);
    offset += part;
  }
}

void Device::zero(std::uint64_t offset, std::uint64_t length) {
  while (length > 0) {
    std::uint64_t part = std::min(length, kMostAtOnce);
    if (nbd_zero(state_->handle, part, offset, 0) != 0) fail("zero");
    length -= part;
    offset += part;
  }
}

void Device::flush() {
  if (nbd_flush(state_->handle, 0) != 0) fail("flush");
}

}  // namespace varve::blocks
