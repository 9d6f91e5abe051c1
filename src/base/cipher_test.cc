#include "base/cipher.h"

#include <gtest/gtest.h>

#include "base/digest.h"
#include "base/error.h"

namespace varve {
namespace {

// McGrew and Viega, "The Galois/Counter Mode of Operation", test case 14.
TEST(Cipher, FollowsThePublishedVector) {
  std::string zeros(32, '\0');
  EXPECT_EQ(to_hex(seal(zeros, std::string(12, '\0'), "", std::string(16, '\0'))),
            "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
}

TEST(Cipher, OpensOnlyWhatIsWhole) {
  std::string key(32, 'k');
  std::string nonce(12, 'n');
  std::string sealed = seal(key, nonce, "id", "secret");
  EXPECT_EQ(open_sealed(key, nonce, "id", sealed), "secret");
  EXPECT_THROW(open_sealed(key, nonce, "other", sealed), Error);
  EXPECT_THROW(open_sealed(std::string(32, 'x'), nonce, "id", sealed), Error);
  sealed[0] = static_cast<char>(sealed[0] ^ 1);
  EXPECT_THROW(open_sealed(key, nonce, "id", sealed), Error);
}

TEST(Cipher, HexGoesThereAndBack) {
  EXPECT_EQ(from_hex("00ff7a"), std::string("\x00\xff\x7a", 3));
  EXPECT_EQ(from_hex(to_hex("bytes")), "bytes");
}

}  // namespace
}  // namespace varve
