#include "api/common/body.h"

#include <boost/json.hpp>
#include <cmath>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "model/reason.h"

namespace varve::api {

namespace {

constexpr std::size_t kMaxDepth = 16;
constexpr std::size_t kShownBytes = 100;  // of a refused value

// Cut at a character's border.
std::string shown(const json::value& value) {
  std::string text = value.is_string() ? std::string(value.as_string()) : json::serialize(value);
  if (text.size() <= kShownBytes) return text;
  std::size_t end = kShownBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

void require_json(const http::Request& request) {
  std::string type = to_lower(request.header("Content-Type"));
  std::string_view media = trim(std::string_view(type).substr(0, type.find(';')));
  if (media.empty() || media == "application/json") return;
  throw Error(ErrorCode::UnsupportedMediaType,
              "Unsupported Content-Type: " + std::string(media) + "; application/json is wanted");
}

}  // namespace

json::object parse_body(const http::Request& request) {
  require_json(request);
  if (request.body.empty()) throw Error(ErrorCode::MalformedBody, "Malformed request body: it is empty");
  json::stream_parser parser({}, json::parse_options{.max_depth = kMaxDepth});
  boost::system::error_code fault;
  std::size_t used = parser.write_some(request.body.data(), request.body.size(), fault);
  if (!fault) parser.finish(fault);
  if (!fault && !trim(std::string_view(request.body).substr(used)).empty()) {
    fault = json::make_error_code(json::error::extra_data);
  }
  if (fault) {
    throw Error(ErrorCode::MalformedBody,
                "Malformed request body: " + fault.message() + " at byte " + std::to_string(used));
  }
  json::value value = parser.release();
  if (!value.is_object()) throw Error(ErrorCode::MalformedBody, shown(value) + " is not of type 'object'");
  return std::move(value.as_object());
}

namespace {

Reason reason_of(std::span<const FieldReason> reasons, std::string_view field) {
  Reason other = Reason::None;
  for (const FieldReason& one : reasons) {
    if (one.field == field) return one.reason;
    if (one.field.empty()) other = one.reason;
  }
  return other;
}

const json::object& object_of(const json::value& value, std::string_view name, std::span<const FieldReason> reasons) {
  if (!value.is_object()) {
    Fields::refuse(name, value, shown(value) + " is not of type 'object'", reason_of(reasons, name));
  }
  return value.get_object();
}

}  // namespace

Fields::Fields(const json::value& value, std::string_view name, std::span<const FieldReason> reasons)
    : object_(object_of(value, name, reasons)), name_(name), reasons_(reasons) {}

void Fields::refuse(std::string_view field, const json::value& value, std::string_view why, Reason reason) {
  throw Error(
      ErrorCode::InvalidInput,
      "Invalid input for field/attribute " + std::string(field) + ". Value: " + shown(value) + ". " + std::string(why),
      reason);
}

void Fields::fail(std::string_view field, const json::value& value, std::string_view why) const {
  refuse(field, value, why, reason_of(reasons_, field));
}

void Fields::miss(std::string_view key) const {
  refuse(name_, object_, "'" + std::string(key) + "' is a required property", reason_of(reasons_, key));
}

std::string Fields::checked_text(std::string_view key, const json::value& value, std::size_t max_bytes) const {
  std::string_view text = value.as_string();
  if (text.find('\0') != std::string_view::npos) fail(key, value, "It must not contain the character NUL");
  text = trim(text);
  if (text.size() > max_bytes) {
    fail(key, value,
         "It is too long: " + std::to_string(text.size()) + " bytes of UTF-8, at most " + std::to_string(max_bytes) +
             " are allowed");
  }
  return std::string(text);
}

const json::value* Fields::take(std::string_view key) {
  seen_.emplace(key);
  return object_.if_contains(key);
}

bool Fields::is_null(std::string_view key) const {
  const json::value* value = object_.if_contains(key);
  return value != nullptr && value->is_null();
}

model::Change<std::string> Fields::nullable_text(std::string_view key, std::size_t max_bytes) {
  const json::value* value = take(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_null()) return std::optional<std::string>();
  if (!value->is_string()) fail(key, *value, shown(*value) + " is not of type 'string', 'null'");
  return checked_text(key, *value, max_bytes);
}

std::optional<std::string> Fields::text(std::string_view key, std::size_t max_bytes) {
  return nullable_text(key, max_bytes).value_or(std::nullopt);
}

std::string Fields::required_text(std::string_view key, std::size_t max_bytes) {
  if (!has(key)) miss(key);
  const json::value& value = *take(key);
  if (!value.is_string()) fail(key, value, shown(value) + " is not of type 'string'");
  std::string out = checked_text(key, value, max_bytes);
  if (out.empty()) fail(key, value, "It must not be empty");
  return out;
}

std::optional<std::string> Fields::uuid(std::string_view key) {
  std::optional<std::string> text_value = text(key);
  if (text_value && !is_uuid(*text_value)) fail(key, object_.at(key), shown(object_.at(key)) + " is not a 'uuid'");
  return text_value;
}

std::string Fields::required_uuid(std::string_view key) {
  std::string out = required_text(key);
  if (!is_uuid(out)) fail(key, object_.at(key), shown(object_.at(key)) + " is not a 'uuid'");
  return out;
}

std::optional<std::int64_t> Fields::integer(std::string_view key, std::int64_t min, std::int64_t max) {
  const json::value* value = take(key);
  if (value == nullptr || value->is_null()) return std::nullopt;
  std::optional<std::int64_t> number;
  if (value->is_int64()) {
    number = value->get_int64();
  } else if (value->is_string()) {
    number = parse_int(std::string_view(value->as_string()));
  }
  if (!number) fail(key, *value, shown(*value) + " is not of type 'integer'");
  if (*number < min) fail(key, *value, shown(*value) + " is less than the minimum of " + std::to_string(min));
  if (*number > max) fail(key, *value, shown(*value) + " is greater than the maximum of " + std::to_string(max));
  return number;
}

std::optional<std::int64_t> Fields::whole_part(std::string_view key, std::int64_t min, std::int64_t max) {
  const json::value* value = object_.if_contains(key);
  if (value == nullptr || !value->is_double()) return integer(key, min, max);
  seen_.emplace(key);
  double number = std::trunc(value->get_double());
  if (!(number >= static_cast<double>(min) && number <= static_cast<double>(max))) {
    fail(key, *value, "It is not between " + std::to_string(min) + " and " + std::to_string(max));
  }
  return static_cast<std::int64_t>(number);
}

std::int64_t Fields::required_integer(std::string_view key, std::int64_t min, std::int64_t max) {
  std::optional<std::int64_t> number = integer(key, min, max);
  if (!number) miss(key);
  return *number;
}

namespace {

std::optional<bool> boolean_word(std::string_view text) {
  std::string word = to_lower(trim(text));
  for (const char* yes : {"true", "1", "on", "yes", "y", "t"}) {
    if (word == yes) return true;
  }
  for (const char* no : {"false", "0", "off", "no", "n", "f"}) {
    if (word == no) return false;
  }
  return std::nullopt;
}

}  // namespace

bool parse_boolean(std::string_view field, std::string_view text) {
  std::optional<bool> meant = boolean_word(text);
  if (meant) return *meant;
  Fields::refuse(field, json::value(text), std::string(text.substr(0, kShownBytes)) + " is not of type 'boolean'");
}

std::optional<bool> Fields::boolean(std::string_view key) {
  const json::value* value = take(key);
  if (value == nullptr || value->is_null()) return std::nullopt;
  if (value->is_bool()) return value->get_bool();
  if (value->is_string()) {
    if (std::optional<bool> meant = boolean_word(std::string_view(value->as_string()))) return meant;
  }
  if (value->is_int64() && (value->get_int64() == 0 || value->get_int64() == 1)) return value->get_int64() == 1;
  fail(key, *value, shown(*value) + " is not of type 'boolean'");
}

std::optional<model::Metadata> Fields::metadata(std::string_view key) {
  const json::value* value = take(key);
  if (value == nullptr || value->is_null()) return std::nullopt;
  if (!value->is_object()) fail(key, *value, shown(*value) + " is not of type 'object'");
  model::Metadata out;
  for (const auto& [name, text_value] : value->get_object()) {
    std::string_view label = name;
    if (label.empty() || label.size() > kMaxText) fail(key, json::value(name), "A key has 1 to 255 bytes");
    if (label.find('\0') != std::string_view::npos) fail(key, json::value(name), "A key must not contain NUL");
    if (!text_value.is_string())
      refuse(label, text_value, shown(text_value) + " is not of type 'string'", reason_of(reasons_, key));
    std::string_view raw = text_value.get_string();
    if (raw.size() > kMaxText || raw.find('\0') != std::string_view::npos) {
      refuse(label, text_value, "A value has at most 255 bytes of UTF-8 and no NUL", reason_of(reasons_, key));
    }
    out.emplace(label, raw);
  }
  return out;
}

std::vector<std::string> Fields::comma_list(std::string_view key) {
  constexpr std::size_t kMaxList = 64 << 10;
  std::vector<std::string> out;
  for (const std::string& part : split(text(key, kMaxList).value_or(""), ',')) {
    if (std::string_view trimmed = trim(part); !trimmed.empty()) out.emplace_back(trimmed);
  }
  return out;
}

const json::value* Fields::any(std::string_view key) {
  return take(key);
}

Fields Fields::object(std::string_view key) {
  const json::value* value = take(key);
  if (value == nullptr) miss(key);
  return Fields(*value, key, reasons_);
}

void Fields::finish() const {
  for (const auto& [key, value] : object_) {
    if (seen_.contains(std::string_view(key))) continue;
    std::string known;
    for (const std::string& one : seen_) known += (known.empty() ? "" : ",") + one;
    log::debug("a body has a field that nobody reads",
               {{"field", std::string_view(key).substr(0, kShownBytes)}, {"known", known}});
    refuse(name_, object_,
           "Additional properties are not allowed ('" + std::string(key).substr(0, kShownBytes) + "' was unexpected)",
           reason_of(reasons_, key));
  }
}

Body::Body(const http::Request& request, std::string_view envelope, std::span<const FieldReason> reasons,
           Reason missing)
    : root_(parse_body(request)) {
  const json::value* inner = root_.if_contains(envelope);
  if (inner == nullptr) {
    throw Error(ErrorCode::InvalidInput, "'" + std::string(envelope) + "' is a required property", missing);
  }
  for (const auto& [key, value] : root_) {
    if (std::string_view(key) != envelope && !std::string_view(key).starts_with("OS-SCH-HNT:")) {
      throw Error(
          ErrorCode::InvalidInput,
          "Additional properties are not allowed ('" + std::string(key).substr(0, kShownBytes) + "' was unexpected)",
          reason_of(reasons, ""));
    }
  }
  fields_.emplace(*inner, envelope, reasons);
}

}  // namespace varve::api
