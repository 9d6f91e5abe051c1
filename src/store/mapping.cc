#include "store/mapping.h"

#include <boost/json.hpp>

#include "base/error.h"
#include "base/log.h"

namespace varve::store {

namespace json = boost::json;

std::string encode_metadata_pair(const model::Pair& pair) {
  std::string out = json::serialize(json::string_view(pair.key)) + ":";
  if (pair.value) out += json::serialize(json::string_view(*pair.value));
  return out;
}

std::string encode_metadata(const model::Metadata& metadata) {
  std::string out = "{";
  for (const auto& [key, value] : metadata) {
    if (out.size() > 1) out += ',';
    out += encode_metadata_pair({key, value});
  }
  out += '}';
  return out;
}

model::Metadata decode_metadata(const std::string& text) {
  if (text.size() <= 2) return {};
  try {
    model::Metadata out;
    json::value parsed = json::parse(text);
    for (const auto& [key, value] : parsed.as_object()) out.emplace(key, value.as_string());
    return out;
  } catch (const std::exception&) {
    note_damaged("metadata", text);
    return {};
  }
}

std::string encode_connection(const model::Connection& connection) {
  json::object fields;
  for (const auto& [name, value] : connection.fields) std::visit([&](const auto& is) { fields[name] = is; }, value);
  return json::serialize(json::object{{"protocol", connection.protocol}, {"fields", std::move(fields)}});
}

namespace {

model::Connection::Value connection_value(const json::value& value) {
  if (value.is_bool()) return value.as_bool();
  if (value.is_int64()) return value.as_int64();
  return std::string(value.as_string());
}

}  // namespace

model::Connection decode_connection(const std::string& text) {
  try {
    json::value parsed = json::parse(text);
    model::Connection out{std::string(parsed.at("protocol").as_string()), {}};
    for (const auto& [name, value] : parsed.at("fields").as_object()) out.fields[name] = connection_value(value);
    return out;
  } catch (const std::exception&) {
    note_damaged("connection", text);
    return {};
  }
}

void note_damaged(std::string_view what, std::string_view text) {
  constexpr std::size_t kShown = 100;
  log::error("the database holds a damaged column", {{"of", what}, {"content", text.substr(0, kShown)}});
}

void unknown_name(std::string_view what, std::string_view text) {
  throw Error(ErrorCode::Internal,
              "the database holds an unknown " + std::string(what) + " '" + std::string(text) + "'");
}

}  // namespace varve::store
