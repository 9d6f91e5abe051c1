#include "api/common/replies.h"

#include <boost/json.hpp>

#include "api/common/paging.h"

namespace varve::api {

http::Response json_reply(unsigned status, const json::value& body) {
  http::Response response;
  response.status = status;
  response.body = json::serialize(body);
  return response;
}

http::Response empty_reply(unsigned status) {
  http::Response response;
  response.status = status;
  return response;
}

json::value text_or_null(const std::optional<std::string>& text) {
  if (!text) return nullptr;
  return json::value(*text);
}

json::value time_or_null(const std::optional<Timestamp>& time) {
  if (!time) return nullptr;
  return json::value(format_time(*time));
}

json::object metadata_view(const model::Metadata& metadata) {
  json::object out;
  out.reserve(metadata.size());
  for (const auto& [key, value] : metadata) out[key] = value;
  return out;
}

json::object list_view(const Call& call, std::string_view name, const model::PageQuery& query, json::array items,
                       const std::optional<std::int64_t>& count) {
  json::object out;
  bool full = !items.empty() && static_cast<std::int64_t>(items.size()) >= query.limit;
  if (full) {
    std::string last(items.back().as_object().at("id").as_string());
    out[std::string(name) + "_links"] = next_link(call, last);
  }
  out[name] = std::move(items);
  if (count) out["count"] = *count;
  return out;
}

}  // namespace varve::api
