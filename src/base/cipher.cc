#include "base/cipher.h"

#include <openssl/evp.h>

#include <memory>

#include "base/check.h"
#include "base/error.h"

namespace varve {

namespace {

constexpr int kTagBytes = 16;
using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

// Encrypts or decrypts; false only when a tag does not fit.
bool crypt(bool encrypt, std::string_view key, std::string_view nonce, std::string_view associated, std::string_view in,
           std::string& out, std::string& tag) {
  VARVE_CHECK(key.size() == 32 && nonce.size() == kNonceBytes, "a key or nonce of the wrong length");
  Context context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int done = 0;
  bool good = context && EVP_CipherInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, bytes(key), bytes(nonce),
                                           encrypt ? 1 : 0) == 1;
  good = good &&
         EVP_CipherUpdate(context.get(), nullptr, &done, bytes(associated), static_cast<int>(associated.size())) == 1;
  out.resize(in.size());
  good = good && EVP_CipherUpdate(context.get(), bytes(out), &done, bytes(in), static_cast<int>(in.size())) == 1;
  if (good && !encrypt) {
    good = EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1;
  }
  good = good && EVP_CipherFinal_ex(context.get(), bytes(out) + done, &done) == 1;
  if (good && encrypt) {
    tag.resize(kTagBytes);
    good = EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, tag.data()) == 1;
  }
  return good;
}

}  // namespace

std::string seal(std::string_view key, std::string_view nonce, std::string_view associated, std::string_view text) {
  std::string out;
  std::string tag;
  if (!crypt(true, key, nonce, associated, text, out, tag)) throw Error(ErrorCode::Internal, "AES-GCM does not work");
  return out + tag;
}

std::string open_sealed(std::string_view key, std::string_view nonce, std::string_view associated,
                        std::string_view sealed) {
  std::string out;
  if (nonce.size() == kNonceBytes && sealed.size() >= kTagBytes) {
    std::string tag(sealed.substr(sealed.size() - kTagBytes));
    sealed.remove_suffix(kTagBytes);
    if (crypt(false, key, nonce, associated, sealed, out, tag)) return out;
  }
  throw Error(ErrorCode::BackendFailed,
              "a sealed secret cannot be opened: the root key is another one, or it was changed");
}

}  // namespace varve
