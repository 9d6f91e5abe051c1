#include "base/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "base/error.h"

namespace varve {

namespace {

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string hex_of(const unsigned char* digest) {
  return to_hex({reinterpret_cast<const char*>(digest), SHA256_DIGEST_LENGTH});
}

}  // namespace

std::string to_hex(std::string_view bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (char c : bytes) {
    auto byte = static_cast<unsigned char>(c);
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

std::string from_hex(std::string_view text) {
  auto digit = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    throw Error(ErrorCode::BackendFailed, "a text is not hexadecimal");
  };
  if (text.size() % 2 != 0) throw Error(ErrorCode::BackendFailed, "a text is not hexadecimal");
  std::string out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) out += static_cast<char>(digit(text[i]) * 16 + digit(text[i + 1]));
  return out;
}

std::string sha256_hex(std::string_view data) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(bytes_of(data), data.size(), digest);
  return hex_of(digest);
}

std::string hmac_sha256_hex(std::string_view key, std::string_view data) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  unsigned int size = sizeof digest;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes_of(data), data.size(), digest, &size);
  return hex_of(digest);
}

struct Hasher::State {
  EVP_MD_CTX* context = nullptr;
  ~State() { EVP_MD_CTX_free(context); }
};

Hasher::Hasher(const std::string& algorithm) : state_(std::make_unique<State>()) {
  const EVP_MD* digest = algorithm.empty() ? nullptr : EVP_get_digestbyname(algorithm.c_str());
  if (digest == nullptr) return;
  state_->context = EVP_MD_CTX_new();
  EVP_DigestInit_ex(state_->context, digest, nullptr);
}

Hasher::~Hasher() = default;

void Hasher::add(std::string_view data) {
  if (state_->context != nullptr) EVP_DigestUpdate(state_->context, data.data(), data.size());
}

std::string Hasher::hex() {
  if (state_->context == nullptr) return {};
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  EVP_DigestFinal_ex(state_->context, digest, &length);
  return to_hex({reinterpret_cast<const char*>(digest), length});
}

}  // namespace varve
