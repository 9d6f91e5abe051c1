#include "api/common/microversion.h"

#include "base/error.h"
#include "base/text.h"

namespace varve::api {

Microversion parse_microversion(std::string_view header) {
  // A list may name the versions of several services; only ours counts.
  for (const std::string& part : split(header, ',')) {
    std::string_view item = trim(part);
    if (!item.starts_with("volume ")) continue;
    std::string_view text = trim(item.substr(7));
    if (text == "latest") return kNewest;
    std::size_t dot = text.find('.');
    auto major = dot == std::string_view::npos ? std::nullopt : parse_int(text.substr(0, dot));
    auto minor = dot == std::string_view::npos ? std::nullopt : parse_int(text.substr(dot + 1));
    if (!major || !minor || *major < 0 || *minor < 0) {
      throw Error(ErrorCode::InvalidInput, "API Version String " + std::string(text) +
                                               " is of invalid format. Must be of format MajorNum.MinorNum.");
    }
    if (*major != 3 || *minor > kNewest.minor) {
      throw Error(ErrorCode::NotAcceptable, "Version " + std::string(text) +
                                                " is not supported by the API. Minimum is " + kOldest.text() +
                                                " and maximum is " + kNewest.text() + ".");
    }
    return {3, static_cast<int>(*minor)};
  }
  return kOldest;
}

}  // namespace varve::api
