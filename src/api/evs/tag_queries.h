// Questions by tag, as the two generations of tag calls ask them.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <vector>

#include "http/message.h"
#include "model/page.h"
#include "services/tags.h"

namespace varve::api::evs {

struct WantedTag {
  std::string key;
  std::vector<std::string> values;  // empty: any value
};

// [{"key": "a", "values": ["b", "c"]}]: at most 10 keys and 10 values of each, none twice. Throws Error(InvalidInput).
std::vector<WantedTag> read_tag_list(const boost::json::value& list);
// {'a':['b','c'],'d':['e']}, as the query parameters of the older calls have it, or JSON.
std::vector<WantedTag> read_tag_dictionary(std::string_view parameter, const std::string& text);

// {"tags": {"a": ["b", "c"]}}
http::Response all_tags_reply(const services::TagValues& tags);

// Rows that have all of the tags, or any of them.
model::Filter tag_filter(const std::vector<WantedTag>& wanted, bool any);

}  // namespace varve::api::evs
