#include "blocks/device.h"

#include <libnbd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"

namespace varve::blocks {

namespace {

constexpr std::uint64_t kMostAtOnce = 1U << 30;  // of one block-status or zero request
constexpr std::size_t kMostBytes = 8U << 20;     // of one read or write
constexpr nbd_completion_callback kNoCallback{};
constexpr int kLookMs = 500;
constexpr int kMostSilentLooks = 120'000 / kLookMs;
constexpr int kMostFarewellLooks = 4;
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
  std::function<bool()> cancelled;

  State() : handle(nbd_create()) {
    if (handle == nullptr) fail("prepare");
  }
  ~State() { nbd_close(handle); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void connect(const std::string& uri);
  void await(std::int64_t cookie, const char* what);
  void look(int& silent, const char* what);
};

// Waits a little for the server.
void Device::State::look(int& silent, const char* what) {
  int heard = nbd_poll(handle, kLookMs);
  if (heard < 0) fail(what);
  silent = heard > 0 ? 0 : silent + 1;
  if (silent >= kMostSilentLooks || (silent > 0 && cancelled && cancelled())) {
    throw Error(ErrorCode::Unavailable, std::string("cannot ") + what + " an export: it does not answer");
  }
}

void Device::State::await(std::int64_t cookie, const char* what) {
  if (cookie < 0) fail(what);
  for (int silent = 0;;) {
    int done = nbd_aio_command_completed(handle, static_cast<std::uint64_t>(cookie));
    if (done < 0) fail(what);
    if (done > 0) return;
    look(silent, what);
  }
}

void Device::State::connect(const std::string& uri) {
  if (nbd_add_meta_context(handle, kAllocation) != 0 || nbd_aio_connect_uri(handle, uri.c_str()) != 0) fail("reach");
  for (int silent = 0; nbd_aio_is_connecting(handle) == 1;) look(silent, "reach");
  std::int64_t bytes = nbd_aio_is_ready(handle) == 1 ? nbd_get_size(handle) : -1;
  if (bytes < 0) fail("reach");
  size = static_cast<std::uint64_t>(bytes);
  maps = nbd_can_meta_context(handle, kAllocation) == 1;
}

Device::Device(const std::string& uri, std::function<bool()> cancelled) : state_(std::make_unique<State>()) {
  state_->cancelled = std::move(cancelled);
  try {
    state_->connect(uri);
  } catch (const Error& fault) {
    throw Error(ErrorCode::Unavailable, fault.message());
  }
}

Device::~Device() {
  nbd_handle* nbd = state_->handle;
  if (nbd_aio_is_ready(nbd) != 1 || nbd_aio_in_flight(nbd) != 0 || nbd_aio_disconnect(nbd, 0) != 0) return;
  for (int i = 0; i < kMostFarewellLooks && nbd_aio_is_closed(nbd) != 1 && nbd_aio_is_dead(nbd) != 1; ++i) {
    if (nbd_poll(nbd, kLookMs) < 0) return;
  }
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
    state_->await(nbd_aio_block_status(state_->handle, wanted, collector.offset, callback, kNoCallback, 0), "map");
    if (collector.offset == before) throw Error(ErrorCode::BackendFailed, "an export does not tell what it holds");
  }
  return out;
}

void Device::read(std::uint64_t offset, std::span<char> out) {
  while (!out.empty()) {
    std::size_t part = std::min(out.size(), kMostBytes);
    state_->await(nbd_aio_pread(state_->handle, out.data(), part, offset, kNoCallback, 0), "read");
    out = out.subspan(part);
    offset += part;
  }
}

void Device::write(std::uint64_t offset, std::span<const char> in) {
  while (!in.empty()) {
    std::size_t part = std::min(in.size(), kMostBytes);
    state_->await(nbd_aio_pwrite(state_->handle, in.data(), part, offset, kNoCallback, 0), "write");
    in = in.subspan(part);
    offset += part;
  }
}

void Device::zero(std::uint64_t offset, std::uint64_t length) {
  while (length > 0) {
    std::uint64_t part = std::min(length, kMostAtOnce);
    state_->await(nbd_aio_zero(state_->handle, part, offset, kNoCallback, 0), "zero");
    length -= part;
    offset += part;
  }
}

void Device::flush() {
  state_->await(nbd_aio_flush(state_->handle, kNoCallback, 0), "flush");
}

}  // namespace varve::blocks
