#include "backends/qcow2/turns.h"

#include <gtest/gtest.h>

#include <string>

namespace varve::qcow2 {
namespace {

using std::chrono::seconds;

class TurnsTest : public testing::Test {
 protected:
  Turns<std::string> turns_{seconds(3)};
  Turns<std::string>::Time now_{};
};

TEST_F(TurnsTest, EachWaitsAndThenComesInItsOrderAgainAndAgain) {
  turns_.add("b", now_);
  turns_.add("a", now_ + seconds(1));
  turns_.add("b", now_ + seconds(2));  // keeps its turn
  EXPECT_EQ(turns_.next(now_ + seconds(2)), std::nullopt);
  EXPECT_EQ(turns_.next(now_ + seconds(4)), "b");
  EXPECT_EQ(turns_.next(now_ + seconds(4)), "a");
  EXPECT_EQ(turns_.next(now_ + seconds(4)), std::nullopt);
  EXPECT_EQ(turns_.next(now_ + seconds(7)), "b");
}

TEST_F(TurnsTest, WhoIsRemovedHasNoTurnAndWaitsAnewWhenItComesBack) {
  turns_.add("a", now_);
  turns_.remove("a");
  EXPECT_EQ(turns_.next(now_ + seconds(3)), std::nullopt);
  turns_.add("a", now_);
  turns_.remove("a");
  turns_.add("a", now_ + seconds(2));
  EXPECT_EQ(turns_.next(now_ + seconds(4)), std::nullopt);
  EXPECT_EQ(turns_.next(now_ + seconds(5)), "a");
  EXPECT_EQ(turns_.next(now_ + seconds(5)), std::nullopt);
}

}  // namespace
}  // namespace varve::qcow2
