#include "base/parse_time.h"

#include <gtest/gtest.h>

namespace varve {
namespace {

TEST(ParseTime, ReadsWhatWePrint) {
  Timestamp time(std::chrono::microseconds(1700000000123456));
  EXPECT_EQ(parse_time(format_time(time)), time);
  EXPECT_EQ(parse_time(format_time_z(time)), time);
  EXPECT_EQ(format_time(*parse_time("2026-02-28")), "2026-02-28T00:00:00.000000");
}

TEST(ParseTime, RefusesTheRest) {
  for (const char* text : {"", "never", "2026-02-30", "2026-13-01", "2026-01-01T25:00:00", "2026-01-01T10:61:00",
                           "2026-01-01T10:00:00+02:00", "2026-01-01 garbage", "2026-01-01T10:00",
                           "2026-01-01T10:00:1e1", "2026-01-01T10:00:+1", "2026-01-01T10:00:nan",
                           "2026-01-01T10:00:0x1", "2026- 1-01", "+026-01-01", "2026-01-01T10:00:-0", " 026-01-01"}) {
    EXPECT_FALSE(parse_time(text)) << text;
  }
}

}  // namespace
}  // namespace varve
