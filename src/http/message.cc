#include "http/message.h"

#include "base/error.h"
#include "base/text.h"

namespace varve::http {

namespace {

constexpr std::size_t kMaxParameters = 100;

std::string decode(std::string_view text) {
  std::optional<std::string> decoded = percent_decode(text, true);
  if (!decoded || !is_utf8(*decoded)) {
    throw Error(ErrorCode::InvalidInput, "the query string is not percent-encoded UTF-8: " + percent_encode(text));
  }
  return std::move(*decoded);
}

}  // namespace

Query parse_query(std::string_view text) {
  Query out;
  for (std::string_view item : split(text, '&')) {
    if (item.empty()) continue;
    if (out.size() == kMaxParameters) throw Error(ErrorCode::InvalidInput, "the query string has too many parameters");
    std::size_t equals = item.find('=');
    std::string value = equals == std::string_view::npos ? std::string() : decode(item.substr(equals + 1));
    out.emplace_back(decode(item.substr(0, equals)), std::move(value));
  }
  return out;
}

}  // namespace varve::http
