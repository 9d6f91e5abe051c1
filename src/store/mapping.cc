#include "store/mapping.h"

#include <algorithm>
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

std::string encode_names(const std::vector<std::string>& names) {
  return json::serialize(json::value_from(names));
}

std::vector<std::string> decode_names(const std::string& text) {
  try {
    return json::value_to<std::vector<std::string>>(json::parse(text));
  } catch (const std::exception&) {
    note_damaged("names", text);
    return {};
  }
}

namespace {

// The word for each alternative of a payload that is one text.
constexpr std::string_view kForget = "forget";
constexpr std::string_view kKeep = "keep";
template <class T>
constexpr std::string_view kWord;
template <>
constexpr std::string_view kWord<VolumeId> = "volume";
template <>
constexpr std::string_view kWord<SnapshotId> = "snapshot";
template <>
constexpr std::string_view kWord<ImageId> = "image";
template <>
constexpr std::string_view kWord<BackupId> = "backup";
template <>
constexpr std::string_view kWord<GroupSnapshotId> = "group_snapshot";
template <>
constexpr std::string_view kWord<VolumeTypeId> = "volume_type";
template <>
constexpr std::string_view kWord<model::PoolName> = "pool";
template <>
constexpr std::string_view kWord<model::FoundName> = "found";

std::string tagged(std::string_view word, std::string_view text) {
  return std::string(word) + ":" + std::string(text);
}

struct PayloadText {
  std::string operator()(std::monostate) const { return {}; }
  template <class Tag>
  std::string operator()(const Id<Tag>& id) const {
    return tagged(kWord<Id<Tag>>, id.str());
  }
  template <class Name>
    requires requires(const Name& one) { one.name; }
  std::string operator()(const Name& one) const {
    return tagged(kWord<Name>, one.name);
  }
  std::string operator()(const model::Disconnection& one) const {
    return tagged(one.forget ? kForget : kKeep, to_string(one.before));
  }
};

template <class T>
bool read_as(std::string_view word, const std::string& text, model::Payload& out) {
  if (word != kWord<T>) return false;
  out = T{text};
  return true;
}

template <class... T>
bool read_as_one_of(std::string_view word, const std::string& text, model::Payload& out) {
  return (read_as<T>(word, text, out) || ...);
}

}  // namespace

std::string encode_payload(const model::Payload& payload) {
  return std::visit(PayloadText(), payload);
}

model::Payload decode_payload(const std::string& text) {
  model::Payload out;
  std::size_t colon = std::min(text.find(':'), text.size());
  std::string word = text.substr(0, colon);
  std::string rest = text.substr(std::min(colon + 1, text.size()));
  if (text.empty() || read_as_one_of<VolumeId, SnapshotId, ImageId, BackupId, GroupSnapshotId, VolumeTypeId,
                                     model::PoolName, model::FoundName>(word, rest, out)) {
    return out;
  }
  std::optional<model::AttachmentStatus> before = model::parse_attachment_status(rest);
  if (before && (word == kForget || word == kKeep)) return model::Disconnection{word == kForget, *before};
  note_damaged("payload", text);
  return out;
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
