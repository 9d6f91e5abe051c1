// Randomness. Only this folder asks the system for it.
#pragma once

#include <cstddef>
#include <string>

namespace varve {

class Rng {
 public:
  virtual ~Rng() = default;
  virtual void fill(void* out, std::size_t size) = 0;

  std::string uuid();                    // version 4, with dashes
  std::string hex(std::size_t bytes);    // twice as many characters
  std::string token(std::size_t bytes);  // URL-safe base64 without padding
};

// getrandom(2), buffered per thread: fit for keys and passwords. Any thread.
class SystemRng final : public Rng {
 public:
  void fill(void* out, std::size_t size) override;
};

}  // namespace varve
