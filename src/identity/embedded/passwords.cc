#include "identity/embedded/passwords.h"

#include <openssl/evp.h>

#include <array>
#include <sstream>

#include "base/digest.h"
#include "base/error.h"
#include "base/text.h"

namespace varve::identity {

namespace {

constexpr std::uint64_t kN = 1U << 14;
constexpr std::uint64_t kR = 8;
constexpr std::uint64_t kP = 1;
constexpr std::uint64_t kMaxMemory = 64U << 20;

std::string derive(const std::string& password, const std::string& salt, std::uint64_t n, std::uint64_t r,
                   std::uint64_t p) {
  std::array<unsigned char, 32> key;
  int good = EVP_PBE_scrypt(password.data(), password.size(), reinterpret_cast<const unsigned char*>(salt.data()),
                            salt.size(), n, r, p, kMaxMemory, key.data(), key.size());
  if (good != 1) throw Error(ErrorCode::Internal, "scrypt failed");
  return to_hex({reinterpret_cast<const char*>(key.data()), key.size()});
}

}  // namespace

std::string hash_password(const std::string& password, Rng& rng) {
  std::string salt = rng.hex(16);
  return "scrypt$" + std::to_string(kN) + "$" + std::to_string(kR) + "$" + std::to_string(kP) + "$" + salt + "$" +
         derive(password, salt, kN, kR, kP);
}

bool verify_password(const std::string& password, const std::string& hash) {
  std::istringstream in(hash);
  std::array<std::string, 6> part;
  for (std::string& field : part) std::getline(in, field, '$');
  if (part[0] != "scrypt") return false;
  auto number = [&](std::size_t i) { return static_cast<std::uint64_t>(parse_int(part[i]).value_or(1)); };
  return equal_constant_time(derive(password, part[4], number(1), number(2), number(3)), part[5]);
}

}  // namespace varve::identity
