// Reads request bodies strictly: what is not understood is refused, and the message names the field.
// Rules: UTF-8; strings are counted in bytes; blanks around names and descriptions are dropped (Cinder does so).
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "http/message.h"
#include "model/change.h"
#include "model/metadata.h"

namespace varve::api {

namespace json = boost::json;

inline constexpr std::size_t kMaxText = 255;  // bytes, for names, descriptions, metadata keys and values

// The whole body as an object. Throws MalformedBody or UnsupportedMediaType; an absent body is malformed.
json::object parse_body(const http::Request& request);

// Which Reason a refusal of a field has; fields that are not named have the one named "".
struct FieldReason {
  std::string_view field;
  Reason reason;
};

// An object whose members are read one by one. Members that nobody read are refused by finish().
class Fields {
 public:
  // name: how messages call the object ("snapshot").
  // reasons outlive the fields.
  Fields(const json::value& value, std::string_view name, std::span<const FieldReason> reasons = {});

  bool has(std::string_view key) const { return object_.contains(key); }
  bool is_null(std::string_view key) const;
  std::size_t count() const { return object_.size(); }

  // Outer: the key is there; inner: it is not null. Trimmed, at most max_bytes.
  model::Change<std::string> nullable_text(std::string_view key, std::size_t max_bytes = kMaxText);
  std::optional<std::string> text(std::string_view key, std::size_t max_bytes = kMaxText);  // null: as if not there
  std::string required_text(std::string_view key, std::size_t max_bytes = kMaxText);        // not empty
  std::optional<std::string> uuid(std::string_view key);                                    // null: as if not there
  std::string required_uuid(std::string_view key);
  template <class Id>
  std::optional<Id> id(std::string_view key) {
    std::optional<std::string> text = uuid(key);
    return text ? std::optional<Id>(std::move(*text)) : std::nullopt;
  }
  template <class Id>
  Id required_id(std::string_view key) {
    return Id(required_uuid(key));
  }
  // Numbers, or digits in a string, as Cinder takes them.
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t min, std::int64_t max);
  std::int64_t required_integer(std::string_view key, std::int64_t min, std::int64_t max);
  // The same, and of a number with a fraction what stands before the point, as EVS takes it.
  std::optional<std::int64_t> whole_part(std::string_view key, std::int64_t min, std::int64_t max);
  // JSON booleans, or the words that Cinder takes for them.
  std::optional<bool> boolean(std::string_view key);
  std::optional<model::Metadata> metadata(std::string_view key);
  std::vector<std::string> comma_list(std::string_view key);  // "id,id", as some of Cinder's bodies have lists
  const json::value* any(std::string_view key);               // nullptr if it is not there
  Fields object(std::string_view key);                        // required

  void ignore(std::string_view key) { seen_.emplace(key); }
  // Throws for a member that nobody asked for; the debug log tells then what was.
  void finish() const;

  [[noreturn]] static void refuse(std::string_view field, const json::value& value, std::string_view why,
                                  Reason reason = Reason());

 private:
  [[noreturn]] void miss(std::string_view key) const;
  [[noreturn]] void fail(std::string_view field, const json::value& value, std::string_view why) const;
  std::string checked_text(std::string_view key, const json::value& value, std::size_t max_bytes) const;
  const json::value* take(std::string_view key);

  const json::object& object_;
  std::string name_;
  std::span<const FieldReason> reasons_;
  std::set<std::string, std::less<>> seen_;
};

// {"<envelope>": {...}} and nothing else; keeps the parsed body alive.
class Body {
 public:
  // missing: the reason when the envelope is not there.
  Body(const http::Request& request, std::string_view envelope, std::span<const FieldReason> reasons = {},
       Reason missing = Reason());
  Fields& fields() { return *fields_; }
  const json::object& root() const { return root_; }

 private:
  json::object root_;
  std::optional<Fields> fields_;
};

bool parse_boolean(std::string_view field, std::string_view text);  // throws Error(InvalidInput)

}  // namespace varve::api
