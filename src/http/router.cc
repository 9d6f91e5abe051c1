#include "http/router.h"

#include "base/text.h"

namespace varve::http {

std::string PathParameters::get(std::string_view name) const {
  for (const auto& [key, value] : values_) {
    if (key == name) return value;
  }
  return {};
}

bool PathParameters::has(std::string_view name) const {
  for (const auto& [key, value] : values_) {
    if (key == name) return true;
  }
  return false;
}

std::string decode_path_segment(std::string_view segment) {
  std::optional<std::string> decoded = percent_decode(segment, false);
  if (!decoded || !is_utf8(*decoded)) return std::string(segment);
  return std::move(*decoded);
}

}  // namespace varve::http
