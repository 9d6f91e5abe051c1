#include "base/parse_time.h"

#include <cmath>
#include <cstdio>

namespace varve {

std::optional<Timestamp> parse_time(const std::string& text) {
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
