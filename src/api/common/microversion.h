// Cinder's microversions: `OpenStack-API-Version: volume 3.N` (API reference, "Microversions").
#pragma once

#include <compare>
#include <string>
#include <string_view>

namespace varve::api {

struct Microversion {
  int major = 3;
  int minor = 0;
  auto operator<=>(const Microversion&) const = default;

  bool at_least(int wanted_minor) const { return minor >= wanted_minor; }
  std::string text() const { return std::to_string(major) + "." + std::to_string(minor); }
};

inline constexpr Microversion kOldest{3, 0};
inline constexpr Microversion kNewest{3, 70};

// The header's value; empty: 3.0. Throws Error(InvalidInput) for what is no version, Error(NotAcceptable) for one that
// is not served.
Microversion parse_microversion(std::string_view header);

}  // namespace varve::api
