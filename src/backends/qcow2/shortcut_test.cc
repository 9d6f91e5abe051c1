#include "backends/qcow2/shortcut.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace varve::qcow2 {
namespace {

constexpr std::size_t kLongChain = 16;

std::vector<ChainLayer> chain_of(std::size_t layers, std::uint64_t bytes_each = 1) {
  std::vector<ChainLayer> chain;
  for (std::size_t i = 0; i < layers; ++i) chain.push_back({.id = LayerId(std::to_string(i)), .bytes = bytes_each});
  return chain;
}

TEST(Shortcut, AShortChainIsLeftAlone) {
  EXPECT_EQ(find_shortcut(chain_of(kLongChain), kLongChain, 1000), std::nullopt);
  EXPECT_EQ(find_shortcut({}, kLongChain, 1000), std::nullopt);
}

TEST(Shortcut, GoesFromBelowTheTopToTheLowestLayer) {
  EXPECT_EQ(find_shortcut(chain_of(64), kLongChain, 1000), (Merge{LayerId("1"), LayerId("63")}));
}

TEST(Shortcut, CopiesNoMoreThanItMay) {
  EXPECT_EQ(find_shortcut(chain_of(64, 10), kLongChain, 105), (Merge{LayerId("1"), LayerId("12")}));
  EXPECT_EQ(find_shortcut(chain_of(64, 10), kLongChain, 9), std::nullopt);
}

TEST(Shortcut, CopiesALayerOnlyWithOthersThatHoldHalfAsMuch) {
  std::vector<ChainLayer> chain = chain_of(5, 10);
  chain[3].bytes = 40;  // the target's 10 and the other one's 10 are half of it
  EXPECT_EQ(find_shortcut(chain, 3, 1000), (Merge{LayerId("1"), LayerId("4")}));
  chain[3].bytes = 41;
  EXPECT_EQ(find_shortcut(chain, 3, 1000), (Merge{LayerId("1"), LayerId("3")}));
}

TEST(Shortcut, ChainsStayShortAndCopiesFewHoweverManySnapshotsThereAre) {
  constexpr std::size_t kSnapshots = 200;
  constexpr std::uint64_t kEach = 100;
  std::vector<ChainLayer> chain = chain_of(2);
  std::uint64_t copied = 0;
  for (std::size_t made = 1; made <= kSnapshots; ++made) {
    chain.insert(chain.begin() + 1, {.id = LayerId("s" + std::to_string(made)), .bytes = kEach});
    while (std::optional<Merge> shortcut = find_shortcut(chain, 3, ~0ULL)) {
      auto target = std::ranges::find(chain, shortcut->target, &ChainLayer::id);
      auto base = std::ranges::find(chain, *shortcut->base, &ChainLayer::id);
      for (auto layer = target + 1; layer != base; ++layer) copied += layer->bytes;
      for (auto layer = target + 1; layer != base; ++layer) target->bytes += layer->bytes;
      chain.erase(target + 1, base);
    }
    ASSERT_LE(chain.size(), 7) << made;
  }
  EXPECT_LE(copied, 6 * kSnapshots * kEach);
}

TEST(Shortcut, GoesAroundALargeLayer) {
  std::vector<ChainLayer> chain = chain_of(32);
  chain[4].bytes = 5000;
  EXPECT_EQ(find_shortcut(chain, kLongChain, 1000), (Merge{LayerId("4"), LayerId("31")}));
  chain[20].bytes = 5000;
  EXPECT_EQ(find_shortcut(chain, kLongChain, 1000), (Merge{LayerId("4"), LayerId("20")}));
}

TEST(Shortcut, SwallowsNoneThatTheTargetHasOutgrown) {
  std::vector<ChainLayer> chain = chain_of(32);
  for (std::size_t i = 0; i < chain.size(); ++i) chain[i].size = i < 20 ? 2 : 1;
  EXPECT_EQ(find_shortcut(chain, kLongChain, 1000), (Merge{LayerId("1"), LayerId("20")}));
}

TEST(Shortcut, LeavesATargetThatCannotBeOneNow) {
  std::vector<ChainLayer> chain = chain_of(32);
  chain[1].fixed = true;
  EXPECT_EQ(find_shortcut(chain, kLongChain, 1000), (Merge{LayerId("2"), LayerId("31")}));
}

TEST(Shortcut, SwallowsNoRoot) {
  std::vector<ChainLayer> chain = chain_of(32);
  chain[16].stays = true;
  EXPECT_EQ(find_shortcut(chain, kLongChain, 1000), (Merge{LayerId("1"), LayerId("16")}));
}

}  // namespace
}  // namespace varve::qcow2
