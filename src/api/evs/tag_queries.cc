#include "api/evs/tag_queries.h"

#include <boost/json.hpp>
#include <set>

#include "api/common/body.h"
#include "api/common/replies.h"
#include "base/error.h"
#include "model/reason.h"
#include "services/tags.h"

namespace varve::api::evs {

namespace json = boost::json;
using model::Filter;

namespace {

constexpr std::size_t kMaxEntries = 10;

[[noreturn]] void bad(const std::string& why) {
  throw Error(ErrorCode::InvalidInput, "Invalid tags: " + why + ".", Reason::InvalidTag);
}

std::vector<std::string> read_values(const std::string& key, const json::value& list) {
  if (!list.is_array()) bad("the values of '" + key + "' are not a list");
  std::vector<std::string> values;
  std::set<std::string> seen;
  for (const json::value& value : list.get_array()) {
    if (!value.is_string()) bad("a value of '" + key + "' is not a string");
    values.emplace_back(value.get_string());
    if (!seen.insert(values.back()).second) bad("the value '" + values.back() + "' of '" + key + "' is given twice");
  }
  if (values.size() > kMaxEntries) bad("'" + key + "' has more than 10 values");
  return values;
}

void add(std::vector<WantedTag>& wanted, std::string key, const json::value& values) {
  services::require_tags({{key, ""}});
  for (const WantedTag& one : wanted) {
    if (one.key == key) bad("the key '" + key + "' is given twice");
  }
  if (wanted.size() == kMaxEntries) bad("more than 10 keys are given");
  std::vector<std::string> list = read_values(key, values);
  wanted.push_back({std::move(key), std::move(list)});
}

}  // namespace

std::vector<WantedTag> read_tag_list(const json::value& list) {
  if (!list.is_array()) bad("they are not a list");
  std::vector<WantedTag> wanted;
  for (const json::value& item : list.get_array()) {
    constexpr static FieldReason kReasons[] = {{"", Reason::InvalidTag}};
    Fields fields(item, "tags", kReasons);
    std::string key = fields.required_text("key");
    const json::value* values = fields.any("values");
    fields.finish();
    add(wanted, key, values != nullptr ? *values : json::value(json::array()));
  }
  return wanted;
}

std::vector<WantedTag> read_tag_dictionary(std::string_view parameter, const std::string& text) {
  std::string as_json = text;
  for (char& c : as_json) {
    if (c == '\'') c = '"';
  }
  boost::system::error_code fault;
  json::value parsed = json::parse(as_json, fault);
  if (fault || !parsed.is_object()) bad(std::string(parameter) + " is not a dictionary of lists");
  std::vector<WantedTag> wanted;
  for (const auto& [key, values] : parsed.get_object()) add(wanted, key, values);
  return wanted;
}

Filter tag_filter(const std::vector<WantedTag>& wanted, bool any) {
  Filter all{"", any ? Filter::Op::AnyOf : Filter::Op::AllOf, std::int64_t{0}};
  for (const WantedTag& one : wanted) {
    Filter values{"", Filter::Op::AnyOf, std::int64_t{0}};
    if (one.values.empty()) values.parts.push_back({"tags", Filter::Op::HasPair, model::Pair{one.key, std::nullopt}});
    for (const std::string& value : one.values) {
      values.parts.push_back({"tags", Filter::Op::HasPair, model::Pair{one.key, value}});
    }
    all.parts.push_back(std::move(values));
  }
  return all;
}

http::Response all_tags_reply(const services::TagValues& tags) {
  json::object view;
  for (const auto& [key, values] : tags) view[key] = json::array(values.begin(), values.end());
  return json_reply(200, json::object{{"tags", std::move(view)}});
}

}  // namespace varve::api::evs
