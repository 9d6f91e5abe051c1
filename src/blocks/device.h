// The bytes behind an NBD URI. One thread at a time. Every call blocks, but not for ever: a server that says nothing
// for two minutes is given up. Errors: Unavailable (not reachable, cut off, given up; the device is of no use then),
// NoSpace, BackendFailed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace varve::blocks {

struct Extent {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  bool zero = false;  // reads as zeros, without looking
};

class Device {
 public:
  // A call that hears nothing looks at `cancelled` twice a second, and gives up when it says so.
  explicit Device(const std::string& uri, std::function<bool()> cancelled = {});
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  std::uint64_t size() const;

  // What lies in [offset, offset + length), in order and without gaps.
  std::vector<Extent> extents(std::uint64_t offset, std::uint64_t length);

  void read(std::uint64_t offset, std::span<char> out);
  void write(std::uint64_t offset, std::span<const char> in);
  void zero(std::uint64_t offset, std::uint64_t length);  // without sending them, where that can be
  void flush();                                           // what was written is durable

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace varve::blocks
