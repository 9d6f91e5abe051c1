#include "base/clock.h"

#include <spdlog/fmt/fmt.h>

#include <iterator>

namespace varve {

Timestamp SystemClock::now() const {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

std::chrono::steady_clock::time_point steady_now() {
  return std::chrono::steady_clock::now();
}

std::chrono::steady_clock::time_point SystemClock::steady() const {
  return steady_now();
}

void append_time(std::string& out, Timestamp time) {
  auto days = std::chrono::floor<std::chrono::days>(time);
  std::chrono::year_month_day date(days);
  std::chrono::hh_mm_ss clock(time - days);
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}", static_cast<int>(date.year()),
                 static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                 clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

std::string format_time(Timestamp time) {
  std::string out;
  append_time(out, time);
  return out;
}

std::string format_time_z(Timestamp time) {
  return format_time(time) + "Z";
}

}  // namespace varve
