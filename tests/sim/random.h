// Randomness that follows from a seed alone, the same on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/rng.h"

namespace varve::sim {

// SplitMix64: one number of state, good enough to choose with.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  std::size_t below(std::size_t limit) { return static_cast<std::size_t>(next() % limit); }
  std::int64_t between(std::int64_t least, std::int64_t most) {
    return least + static_cast<std::int64_t>(below(static_cast<std::size_t>(most - least + 1)));
  }
  bool chance(unsigned percent) { return below(100) < percent; }
  template <class T>
  const T& pick(const std::vector<T>& from) {
    return from[below(from.size())];
  }

 private:
  std::uint64_t state_;
};

class SeededRng final : public Rng {
 public:
  explicit SeededRng(std::uint64_t seed) : random_(seed) {}
  void fill(void* out, std::size_t size) override {
    auto* at = static_cast<unsigned char*>(out);
    while (size > 0) {
      std::uint64_t word = random_.next();
      std::size_t part = size < sizeof(word) ? size : sizeof(word);
      std::memcpy(at, &word, part);
      at += part;
      size -= part;
    }
  }

 private:
  Random random_;
};

}  // namespace varve::sim
