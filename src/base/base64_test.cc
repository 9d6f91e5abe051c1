#include "base/base64.h"

#include <gtest/gtest.h>

namespace varve {
namespace {

// RFC 4648, section 10.
TEST(Base64, FollowsThePublishedVectors) {
  for (auto [plain, coded] :
       {std::pair{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}}) {
    EXPECT_EQ(to_base64(plain), coded);
    EXPECT_EQ(from_base64(coded), plain);
  }
}

TEST(Base64, RefusesWhatIsNone) {
  EXPECT_FALSE(from_base64("Zg="));
  EXPECT_FALSE(from_base64("Z!=="));
}

}  // namespace
}  // namespace varve
