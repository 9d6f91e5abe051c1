#include "base/rng.h"

#include <sys/random.h>

#include <boost/uuid/uuid.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <cerrno>

#include "base/check.h"
#include "base/digest.h"

namespace varve {

std::string Rng::uuid() {
  boost::uuids::uuid made;
  fill(made.data, sizeof(made.data));
  made.data[6] = static_cast<unsigned char>((made.data[6] & 0x0f) | 0x40);
  made.data[8] = static_cast<unsigned char>((made.data[8] & 0x3f) | 0x80);
  return boost::uuids::to_string(made);
}

std::string Rng::hex(std::size_t bytes) {
  std::string raw(bytes, '\0');
  fill(raw.data(), bytes);
  return to_hex(raw);
}

std::string Rng::token(std::size_t bytes) {
  constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::size_t characters = (bytes * 8 + 5) / 6;
  std::string out(characters, '\0');
  fill(out.data(), characters);
  for (char& c : out) c = kAlphabet[static_cast<unsigned char>(c) & 63];
  return out;
}

void SystemRng::fill(void* out, std::size_t size) {
  auto* at = static_cast<char*>(out);
  while (size > 0) {
    ssize_t got = getrandom(at, size, 0);
    if (got < 0 && errno == EINTR) continue;
    VARVE_CHECK(got > 0, "getrandom failed");
    at += got;
    size -= static_cast<std::size_t>(got);
  }
}

}  // namespace varve
