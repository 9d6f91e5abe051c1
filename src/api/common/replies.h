// What replies of every dialect are made of.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "api/common/dispatcher.h"
#include "base/clock.h"
#include "model/metadata.h"
#include "model/page.h"

namespace varve::api {

namespace json = boost::json;

http::Response json_reply(unsigned status, const json::value& body);
http::Response empty_reply(unsigned status);

json::value text_or_null(const std::optional<std::string>& text);
template <class Tag>
json::value text_or_null(const std::optional<Id<Tag>>& id) {
  return id ? json::value(id->str()) : json::value(nullptr);
}
json::value time_or_null(const std::optional<Timestamp>& time);
json::object metadata_view(const model::Metadata& metadata);

// {"<name>": [items], "<name>_links": [next page, when this one is full], "count": when it was asked for}. Items have
// an "id".
json::object list_view(const Call& call, std::string_view name, const model::PageQuery& query, json::array items,
                       const std::optional<std::int64_t>& count);

// That, of a page of rows, each shown by `view`.
template <typename Row, typename View>
http::Response page_reply(const Call& call, std::string_view name, const model::PageQuery& query,
                          const model::Page<Row>& page, const View& view) {
  json::array items;
  items.reserve(page.rows.size());
  for (const Row& row : page.rows) items.push_back(view(row));
  return json_reply(200, list_view(call, name, query, std::move(items), page.count));
}

}  // namespace varve::api
