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
json::value time_or_null(const std::optional<Timestamp>& time);
json::object metadata_view(const model::Metadata& metadata);

// {"<name>": [items], "<name>_links": [next page, when this one is full], "count": when it was asked for}. Items have
// an "id".
json::object list_view(const Call& call, std::string_view name, const model::PageQuery& query, json::array items,
                       const std::optional<std::int64_t>& count);

}  // namespace varve::api
