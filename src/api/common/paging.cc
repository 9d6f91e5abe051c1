#include "api/common/paging.h"

#include <boost/json.hpp>
#include <utility>

#include "api/common/body.h"
#include "base/error.h"
#include "base/parse_time.h"
#include "base/text.h"
#include "model/reason.h"
#include "model/status.h"

namespace varve::api {

using model::Filter;

namespace {

[[noreturn]] void bad(std::string message, Reason reason = Reason::None) {
  throw Error(ErrorCode::InvalidInput, std::move(message), reason);
}

std::int64_t number(std::string_view name, const std::string& text, Reason reason = Reason::None) {
  std::optional<std::int64_t> value = parse_int(text);
  if (!value) bad(std::string(name) + " param must be an integer", reason);
  if (*value < 0) bad(std::string(name) + " param must be positive", reason);
  return *value;
}

Timestamp time_of(std::string_view parameter, const std::string& text) {
  std::optional<Timestamp> time = parse_time(text);
  if (!time) bad("Invalid value for " + std::string(parameter) + ": '" + text + "' is not a time.");
  return *time;
}

// "gt:2026-01-01T00:00:00,lt:..." (3.60), or a bare time.
void add_times(model::PageQuery& query, const FilterSpec& spec, std::string_view text) {
  constexpr std::pair<std::string_view, Filter::Op> kOps[] = {
      {"gt:", Filter::Op::Greater},      {"gte:", Filter::Op::GreaterOrEqual}, {"lt:", Filter::Op::Less},
      {"lte:", Filter::Op::LessOrEqual}, {"eq:", Filter::Op::Equal},           {"neq:", Filter::Op::NotEqual}};
  for (std::string_view item : split(text, ',')) {
    Filter::Op op = Filter::Op::Equal;
    for (const auto& [prefix, meaning] : kOps) {
      if (!item.starts_with(prefix)) continue;
      op = meaning;
      item.remove_prefix(prefix.size());
      break;
    }
    std::int64_t micros = time_of(spec.parameter, std::string(item)).time_since_epoch().count();
    query.filters.push_back({spec.field, op, micros});
  }
}

void add_metadata(model::PageQuery& query, const FilterSpec& spec, const std::string& text) {
  for (const auto& [key, value] : parse_pairs("metadata", text)) {
    query.filters.push_back({spec.field, Filter::Op::HasPair, model::Pair{key, value}});
  }
}

bool is_uuid_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == '-';
}

// ['id1','id2']
void add_ids(model::PageQuery& query, const FilterSpec& spec, std::string_view text) {
  constexpr std::size_t kMaxIds = 60;
  Filter any{spec.field, Filter::Op::AnyOf, std::int64_t{0}};
  std::string id;
  for (char c : text) {
    bool of_id = is_uuid_character(c);
    if (of_id) id += c;
    if (of_id || id.empty()) continue;
    any.parts.push_back({spec.field, Filter::Op::Equal, std::exchange(id, {})});
  }
  if (!id.empty()) any.parts.push_back({spec.field, Filter::Op::Equal, id});
  if (any.parts.size() > kMaxIds) bad("Invalid filter ids: at most 60 are taken.", Reason::InvalidVolumeId);
  query.filters.push_back(std::move(any));
}

void require_zone(const ListSpec& list, const std::string& text) {
  for (const std::string& zone : list.zones) {
    if (zone == text) return;
  }
  bad("Invalid filter availability_zone: there is no zone '" + text + "'.", Reason::InvalidZoneFilter);
}

void add_filter(model::PageQuery& query, const ListSpec& list, const FilterSpec& spec, const std::string& text,
                bool contains) {
  switch (spec.kind) {
    case FilterSpec::Kind::Fuzzy:
      query.filters.push_back({spec.field, Filter::Op::Contains, text});
      return;
    case FilterSpec::Kind::Ids:
      add_ids(query, spec, text);
      return;
    case FilterSpec::Kind::AttachedTo:
      query.filters.push_back({spec.field, Filter::Op::AttachedTo, text});
      return;
    case FilterSpec::Kind::Status:
      if (!model::parse_volume_status(text)) bad("There is no status '" + text + "'.", Reason::InvalidStatusFilter);
      query.filters.push_back({spec.field, Filter::Op::Equal, text});
      return;
    case FilterSpec::Kind::Constant:
      if (to_lower(text) != to_lower(spec.field)) query.filters.push_back({"", Filter::Op::AnyOf, std::int64_t{0}});
      return;
    case FilterSpec::Kind::Always:
      if (!parse_boolean(spec.parameter, text)) query.filters.push_back({"", Filter::Op::AnyOf, std::int64_t{0}});
      return;
    case FilterSpec::Kind::Zone:
      require_zone(list, text);
      query.filters.push_back({spec.field, Filter::Op::Equal, text});
      return;
    case FilterSpec::Kind::Text:
      query.filters.push_back({spec.field, contains ? Filter::Op::Contains : Filter::Op::Equal, text});
      return;
    case FilterSpec::Kind::Integer:
      query.filters.push_back({spec.field, Filter::Op::Equal, number(spec.parameter, text)});
      return;
    case FilterSpec::Kind::Boolean:
      query.filters.push_back({spec.field, Filter::Op::Equal, std::int64_t{parse_boolean(spec.parameter, text)}});
      return;
    case FilterSpec::Kind::Metadata:
      add_metadata(query, spec, text);
      return;
    case FilterSpec::Kind::Time:
      add_times(query, spec, text);
      return;
  }
}

std::string_view sort_field(const ListSpec& spec, std::string_view key) {
  for (const SortSpec& known : spec.sort_keys) {
    if (known.parameter == key) return known.field;
  }
  bad("Invalid input received: Invalid sort key: " + std::string(key), Reason::InvalidSortKey);
}

bool descending(std::string_view direction) {
  if (direction == "desc" || direction.empty()) return true;
  if (direction == "asc") return false;
  bad("Invalid input received: Invalid sort direction: " + std::string(direction) + "; asc or desc is wanted",
      Reason::InvalidSortDirection);
}

std::vector<std::string> trimmed_parts(std::string_view list) {
  std::vector<std::string> parts = split(list, ',');
  for (std::string& part : parts) part = std::string(trim(part));
  return parts;
}

void add_sort(model::PageQuery& query, const ListSpec& spec, const Call& call) {
  std::string sort = call.parameter("sort");
  std::string keys = call.parameter("sort_key");
  std::string directions = call.parameter("sort_dir");
  if (!sort.empty() && (!keys.empty() || !directions.empty())) {
    bad("The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be used with the 'sort' parameter.");
  }
  for (std::string_view item : trimmed_parts(sort)) {
    std::size_t colon = item.find(':');
    std::string_view direction = colon == std::string_view::npos ? std::string_view() : item.substr(colon + 1);
    query.sort.push_back({sort_field(spec, item.substr(0, colon)), descending(direction)});
  }
  if (!sort.empty()) return;
  std::vector<std::string> each = trimmed_parts(directions);
  std::vector<std::string> wanted = trimmed_parts(keys);
  if (each.size() > std::max<std::size_t>(wanted.size(), 1))
    bad("Invalid input received: there are more sort_dir than sort_key");
  if (wanted.empty() && !each.empty()) wanted.emplace_back("created_at");
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    query.sort.push_back({sort_field(spec, wanted[i]), descending(i < each.size() ? each[i] : std::string_view())});
  }
  constexpr std::size_t kMaxKeys = 5;
  if (query.sort.size() > kMaxKeys) bad("Invalid input received: at most 5 sort keys are taken");
}

void add_position(model::PageQuery& query, const ListSpec& spec, const Call& call) {
  std::string limit = call.parameter("limit");
  if (!limit.empty()) {
    std::int64_t wanted = number("limit", limit, Reason::InvalidLimit);
    if (spec.rules == ListRules::Evs && wanted < 1) bad("limit param must be at least 1", Reason::InvalidLimit);
    if (spec.rules == ListRules::Evs && wanted > kMaxPage) bad("limit: " + limit, Reason::LimitTooLarge);
    query.limit = std::min(kMaxPage, wanted);
  }
  std::string offset = call.parameter("offset");
  if (!offset.empty()) query.offset = number("offset", offset);
  std::string marker = call.parameter("marker");
  if (marker.empty()) return;
  if (spec.rules == ListRules::Evs && !is_uuid(marker)) bad("marker: " + marker.substr(0, 100), Reason::InvalidMarker);
  query.marker = marker;
}

bool is_list_parameter(std::string_view name) {
  for (std::string_view known :
       {"limit", "marker", "offset", "sort", "sort_key", "sort_dir", "all_tenants", "with_count"}) {
    if (name == known) return true;
  }
  return false;
}

}  // namespace

model::Metadata parse_pairs(std::string_view parameter, const std::string& text) {
  std::string as_json = text;
  boost::system::error_code fault;
  json::value parsed = json::parse(as_json, fault);
  if (fault) {
    for (char& c : as_json) {
      if (c == '\'') c = '"';
    }
    fault = {};
    parsed = json::parse(as_json, fault);
  }
  std::string name(parameter);
  if (fault || !parsed.is_object()) {
    bad("Invalid filter " + name + ": '" + text + "' is not a dictionary.", Reason::InvalidMetadataFilter);
  }
  model::Metadata out;
  for (const auto& [key, value] : parsed.get_object()) {
    if (!value.is_string()) {
      bad("Invalid filter " + name + ": the value of '" + std::string(key) + "' is not a string.",
          Reason::InvalidMetadataFilter);
    }
    out[std::string(key)] = std::string_view(value.get_string());
  }
  return out;
}

model::PageQuery parse_page(const Call& call, const ListSpec& spec) {
  model::PageQuery query;
  query.project_id = call.actor.project_id;
  std::string all = call.parameter("all_tenants");
  bool everywhere = call.actor.admin && !all.empty() && parse_boolean("all_tenants", all);
  if (everywhere) query.project_id.reset();
  for (const auto& [name, value] : call.query) {
    if (is_list_parameter(name)) continue;
    if (name == "project_id" && call.actor.admin) {
      if (everywhere) query.project_id = ProjectId(value);
      continue;
    }
    bool contains = name.ends_with('~') && call.version.at_least(34);
    std::string_view plain = contains ? std::string_view(name).substr(0, name.size() - 1) : std::string_view(name);
    bool known = false;
    for (const FilterSpec& filter : spec.filters) {
      if (filter.parameter != plain) continue;
      add_filter(query, spec, filter, value, contains);
      known = true;
      break;
    }
    if (!known && spec.rules == ListRules::Cinder && call.version.at_least(31) && !call.actor.admin)
      bad("Invalid filters " + name + " are found in query options.");
  }
  add_sort(query, spec, call);
  add_position(query, spec, call);
  std::string count = call.parameter("with_count");
  query.with_count = spec.rules == ListRules::Evs ||
                     (call.version.at_least(45) && !count.empty() && parse_boolean("with_count", count));
  return query;
}

json::array next_link(const Call& call, const std::string& last_id) {
  std::string href = call.base_url + call.request->path + "?";
  for (const auto& [name, value] : call.query) {
    if (name == "marker" || name == "offset") continue;
    href += percent_encode(name) + "=" + percent_encode(value) + "&";
  }
  href += "marker=" + last_id;
  return {json::object{{"rel", "next"}, {"href", href}}};
}

}  // namespace varve::api
