#include "backends/qcow2/shortcut.h"

#include <gtest/gtest.h>

namespace varve::qcow2 {
namespace {

constexpr std::size_t kLongChain = 16;

std::vector<ChainLayer> chain_of(std::size_t layers, std::uint64_t bytes_each = 1) {
  std::vector<ChainLayer> chain;
  for (std::size_t i = 0; i < layers; ++i) chain.push_back({LayerId(std::to_string(i)), bytes_each, false});
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
  EXPECT_EQ(find_shortcut(chain_of(64, 10), kLongChain, 75), std::nullopt);  // seven layers are not worth it
}

TEST(Shortcut, GoesAroundALargeLayer) {
  std::vector<ChainLayer> chain = chain_of(32);
  chain[4].bytes = 5000;
  EXPECT_EQ(find_shortcut(chain, kLongChain, 1000), (Merge{LayerId("4"), LayerId("31")}));
  chain[20].bytes = 5000;
  EXPECT_EQ(find_shortcut(chain, kLongChain, 1000), (Merge{LayerId("4"), LayerId("20")}));
}

TEST(Shortcut, SwallowsNoRoot) {
  std::vector<ChainLayer> chain = chain_of(32);
  chain[16].stays = true;
  EXPECT_EQ(find_shortcut(chain, kLongChain, 1000), (Merge{LayerId("1"), LayerId("16")}));
}

}  // namespace
}  // namespace varve::qcow2
