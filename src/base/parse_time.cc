#include "base/parse_time.h"

#include <cmath>
#include <cstdio>

namespace varve {

namespace {

// sscanf takes signs, exponents and spaces too.
bool is_plain(const std::string& text) {
  constexpr std::size_t kBetween = 10;  // date and time
  bool known = text.find_first_not_of("0123456789-:T .Z") == std::string::npos;
  std::size_t space = text.rfind(' ');
  std::size_t dash = text.rfind('-');
  return known && (space == std::string::npos || space == kBetween) && (dash == std::string::npos || dash < kBetween);
}

}  // namespace

std::optional<Timestamp> parse_time(const std::string& text) {
  if (!is_plain(text)) return std::nullopt;
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  int hour = 0;
  int minute = 0;
  double second = 0;
  int used = 0;
  int got = std::sscanf(text.c_str(), "%4d-%2u-%2u%n%*[T ]%2d:%2d:%lf%n", &year, &month, &day, &used, &hour, &minute,
                        &second, &used);
  std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month), std::chrono::day(day)};
  std::string rest = text.substr(static_cast<std::size_t>(used));
  bool whole = rest.empty() || (got == 6 && rest == "Z");
  bool in_range = hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second < 61;
  if ((got != 3 && got != 6) || !date.ok() || !whole || !in_range) return std::nullopt;
  auto micros = std::chrono::microseconds(std::llround(second * 1e6));
  return Timestamp(std::chrono::sys_days(date).time_since_epoch() + std::chrono::hours(hour) +
                   std::chrono::minutes(minute) + micros);
}

}  // namespace varve
