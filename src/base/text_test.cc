#include "base/text.h"

#include <gtest/gtest.h>

namespace varve {
namespace {

TEST(PercentCoding, KeepsWhatIsUnreservedAndWritesUpperCase) {
  EXPECT_EQ(percent_encode("azAZ09-._~"), "azAZ09-._~");
  EXPECT_EQ(percent_encode("+ /%\xff"), "%2B%20%2F%25%FF");
  EXPECT_EQ(percent_encode(std::string_view("\0", 1)), "%00");
}

TEST(PercentCoding, TakesHexOfAnyCaseAndAPlusForASpaceInQueriesOnly) {
  EXPECT_EQ(percent_decode("%2b%2B%7E~", false), "++~~");
  EXPECT_EQ(percent_decode("a+b", true), "a b");
  EXPECT_EQ(percent_decode("a+b", false), "a+b");
  EXPECT_EQ(percent_decode("\xff/?#", false), "\xff/?#");
  EXPECT_EQ(percent_decode("%00", false), std::string(1, '\0'));
}

TEST(PercentCoding, RefusesABrokenEscape) {
  for (const char* text : {"%", "%4", "a%zz", "%4g", "%%41", "%-1", "% 1"}) {
    EXPECT_FALSE(percent_decode(text, true)) << text;
  }
}

TEST(Split, HasNoPartOfNothingAndNoneBehindTheLastSeparator) {
  EXPECT_TRUE(split("", ',').empty());
  EXPECT_EQ(split("a,,b,", ','), (std::vector<std::string>{"a", "", "b"}));
  EXPECT_EQ(split(",", ','), (std::vector<std::string>{""}));
}

TEST(EqualConstantTime, ComparesLengthAndBytes) {
  EXPECT_TRUE(equal_constant_time("", ""));
  EXPECT_TRUE(equal_constant_time("secret", "secret"));
  EXPECT_FALSE(equal_constant_time("secret", "secreT"));
  EXPECT_FALSE(equal_constant_time("secret", "secre"));
}

}  // namespace
}  // namespace varve
