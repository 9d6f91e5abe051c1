#include "model/resources.h"

#include <gtest/gtest.h>

namespace varve::model {
namespace {

// Vectors from the EVS user guide's performance table.
constexpr Qos kSsd{.iops_base = 100,
                   .iops_per_gib = 50,
                   .iops_max = 20000,
                   .iops_burst = 10000,
                   .mibps_base = 120,
                   .mibps_per_100_gib = 50,
                   .mibps_max = 350};
constexpr Qos kSas{.iops_base = 100,
                   .iops_per_gib = 2,
                   .iops_max = 3000,
                   .iops_burst = 3000,
                   .mibps_base = 100,
                   .mibps_per_100_gib = 15,
                   .mibps_max = 150};

TEST(Qos, FollowsTheDocumentedFormulas) {
  EXPECT_EQ(qos_limits(kSsd, 50).iops, 2600);
  EXPECT_EQ(qos_limits(kSsd, 100).iops, 5100);
  EXPECT_EQ(qos_limits(kSsd, 100).bytes_per_second, 170LL << 20);
  EXPECT_EQ(qos_limits(kSsd, 1000).iops, 20000);
  EXPECT_EQ(qos_limits(kSsd, 1000).bytes_per_second, 350LL << 20);
  EXPECT_EQ(qos_limits(kSas, 40).iops, 180);
  EXPECT_EQ(qos_limits(kSas, 40).bytes_per_second, 106LL << 20);
  EXPECT_EQ(qos_limits(kSas, 500).bytes_per_second, 150LL << 20);
}

TEST(Qos, HasNoBurstAboveTheBurstLimit) {
  EXPECT_EQ(qos_limits(kSsd, 100).iops_burst, 10000);
  EXPECT_EQ(qos_limits(kSsd, 1000).iops_burst, 0);
}

TEST(Qos, ZeroMeansUnlimited) {
  EXPECT_EQ(qos_limits(Qos{}, 100).iops, 0);
  EXPECT_EQ(qos_limits(Qos{}, 100).bytes_per_second, 0);
}

TEST(Status, EveryNameParsesBack) {
  for (const auto& move : volume_moves()) EXPECT_EQ(parse_volume_status(to_string(move.to)), move.to);
  for (const auto& move : snapshot_moves()) EXPECT_EQ(parse_snapshot_status(to_string(move.to)), move.to);
  EXPECT_FALSE(parse_volume_status("bogus"));
}

TEST(Status, EveryTransitionalStatusHasAWayOutThatSucceedsAndOneThatFails) {
  for (const auto& move : volume_moves()) {
    if (!is_transitional(move.to)) continue;
    int ways = 0;
    for (const auto& out : volume_moves()) ways += out.from == move.to;
    EXPECT_GE(ways, 1) << to_string(move.to);
  }
}

}  // namespace
}  // namespace varve::model
