// The simulator itself: what it plays follows from the seed alone.
#include "world.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/log.h"

namespace varve::sim {
namespace {

class WorldTest : public testing::Test {
 protected:
  WorldTest() {
    char pattern[] = "/tmp/varve-world-XXXXXX";
    directory_ = mkdtemp(pattern);
    make_template(directory_ / "template.db");
    log::set_level(log::Level::Off);  // faults are wanted here
  }
  ~WorldTest() override {
    log::set_level(level_);
    std::filesystem::remove_all(directory_);
  }

  Outcome play(std::uint64_t seed) { return World(seed, directory_ / "template.db", directory_ / "run", false).run(); }

  const log::Level level_ = log::level();
  std::filesystem::path directory_;
};

TEST_F(WorldTest, TheSameSeedPlaysTheSame) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Outcome first = play(seed);
    EXPECT_EQ(first.trace_hash, play(seed).trace_hash) << "seed " << seed;
    EXPECT_EQ(first.breach, "") << "seed " << seed;
  }
}

TEST_F(WorldTest, AnotherSeedPlaysSomethingElse) {
  EXPECT_NE(play(1).trace_hash, play(2).trace_hash);
}

}  // namespace
}  // namespace varve::sim
