// Digests as lower-case hexadecimal text.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace varve {

std::string to_hex(std::string_view bytes);
std::string from_hex(std::string_view text);  // throws Error(BackendFailed) for what is not hexadecimal
std::string sha256_hex(std::string_view data);
std::string hmac_sha256_hex(std::string_view key, std::string_view data);

// A digest of data that comes in pieces, by OpenSSL's name ("sha256", "sha512"). Of a name that it does not know, and
// of "", hex() is "".
class Hasher {
 public:
  explicit Hasher(const std::string& algorithm);
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;

  void add(std::string_view data);
  std::string hex();  // once, at the end

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace varve
