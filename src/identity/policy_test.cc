#include "identity/policy.h"

#include <gtest/gtest.h>

namespace varve::identity {
namespace {

TEST(Policy, StarsStandForAnyText) {
  EXPECT_TRUE(matches("evs:volumes:get", "evs:volumes:get"));
  EXPECT_TRUE(matches("evs:*:get", "evs:volumes:get"));
  EXPECT_TRUE(matches("evs:volumes:*", "evs:volumes:get"));
  EXPECT_TRUE(matches("*", "evs:volumes:get"));
  EXPECT_TRUE(matches("*:*:get*", "evs:volumes:getById"));
  EXPECT_FALSE(matches("evs:volumes:*", "evs:snapshots:get"));
  EXPECT_FALSE(matches("evs:volumes:get", "evs:volumes:getById"));
  EXPECT_FALSE(matches("", "evs:volumes:get"));
}

TEST(Policy, ADenialBeatsAPermission) {
  Policy policy{{true, "evs:*:*"}, {false, "evs:volumes:delete"}};
  EXPECT_EQ(decide(policy, "evs:volumes:get"), Decision::Allowed);
  EXPECT_EQ(decide(policy, "evs:volumes:delete"), Decision::Denied);
  EXPECT_EQ(decide({}, "evs:volumes:get"), Decision::Silent);
}

TEST(Policy, TheStoresTextComesBackAsItWas) {
  Policy policy{{true, "evs:*:*"}, {false, "evs:volumes:delete"}};
  EXPECT_EQ(encode_policy(decode_policy(encode_policy(policy))), "+evs:*:*\n-evs:volumes:delete\n");
}

}  // namespace
}  // namespace varve::identity
