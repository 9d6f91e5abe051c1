// Tags of disks: the present generation of calls.

#include <boost/json.hpp>

#include "api/common/body.h"
#include "api/common/paging.h"
#include "api/common/resource_views.h"
#include "api/evs/rows.h"
#include "api/evs/tag_queries.h"
#include "base/text.h"
#include "model/reason.h"

namespace varve::api::evs {

using http::Verb;
using model::Filter;
using services::Tagged;
using services::VolumeDetail;

namespace {

constexpr FieldReason kReasons[] = {{"", Reason::InvalidTag}};

json::array tag_array(const model::Metadata& tags) {
  json::array out;
  for (const auto& [key, value] : tags) out.push_back(json::object{{"key", key}, {"value", value}});
  return out;
}

// [{"key": ..., "value": ...}]
model::Metadata read_tags(const json::value& list, bool values_wanted) {
  if (!list.is_array() || list.get_array().empty()) {
    Fields::refuse("tags", list, "A list with at least one tag is wanted", Reason::InvalidTag);
  }
  model::Metadata tags;
  for (const json::value& item : list.get_array()) {
    Fields fields(item, "tags", kReasons);
    std::string key = fields.required_text("key");
    std::optional<std::string> value = fields.text("value");
    fields.finish();
    if (values_wanted && !value) Fields::refuse("tags", item, "'value' is a required property", Reason::InvalidTag);
    if (!tags.emplace(key, value.value_or("")).second && values_wanted) {
      Fields::refuse("tags", list, "The key '" + key + "' is given twice", Reason::InvalidTag);
    }
  }
  return tags;
}

// {"key": "resource_name"|"service_type", "value": ...}
void add_match(model::PageQuery& query, const json::value& match) {
  Fields fields(match, "matches");
  std::string key = fields.required_text("key");
  std::string value = fields.text("value").value_or("");
  fields.finish();
  if (key == "resource_name") {
    query.filters.push_back({"name", value.empty() ? Filter::Op::Equal : Filter::Op::Contains, value});
  } else if (key == "service_type") {
    if (to_lower(value) != "evs") query.filters.push_back({"", Filter::Op::AnyOf, std::int64_t{0}});
  } else {
    Fields::refuse("matches", match, "The key is 'resource_name' or 'service_type'");
  }
}

Reply all_volume_tags(Services& s, CallPtr call) {
  co_return all_tags_reply(co_await s.tags.all(call->actor, Tagged::Volumes));
}

Reply volume_tags(Services& s, CallPtr call) {
  model::Metadata tags = co_await s.tags.show(call->actor, Tagged::Volumes, call->path.get("id"));
  co_return json_reply(200, json::object{{"tags", tag_array(tags)}});
}

Reply change_volume_tags(Services& s, CallPtr call) {
  json::value root = parse_body(*call->request);
  Fields fields(root, "body", kReasons);
  std::string action = fields.required_text("action");
  bool create = action == "create";
  if (!create && action != "delete") Fields::refuse("action", root, "'create' or 'delete' is wanted");
  call->require_action(create ? Action("evs:volumeTags:create") : Action("evs:volumeTags:delete"));
  const json::value* list = fields.any("tags");
  model::Metadata tags = read_tags(list != nullptr ? *list : json::value(), create);
  fields.finish();
  std::string id = call->path.get("id");
  if (create) {
    co_await s.tags.set(call->actor, Tagged::Volumes, id, std::move(tags), true);
  } else {
    std::vector<std::string> keys;
    for (const auto& [key, value] : tags) keys.push_back(key);
    co_await s.tags.remove(call->actor, Tagged::Volumes, id, std::move(keys), false);
  }
  co_return empty_reply(204);
}

Reply find_volumes_by_tag(Services& s, CallPtr call) {
  json::value root = parse_body(*call->request);
  Fields fields(root, "body");
  std::string action = fields.required_text("action");
  bool count_only = action == "count";
  if (!count_only && action != "filter") Fields::refuse("action", root, "'filter' or 'count' is wanted");
  model::PageQuery query;
  query.project_id = call->actor.project_id;
  query.with_count = true;
  query.limit = fields.integer("limit", 1, kMaxPage).value_or(kMaxPage);
  query.offset = fields.integer("offset", 0, 2147483647).value_or(0);
  if (count_only) query.limit = 0;
  if (const json::value* tags = fields.any("tags")) query.filters.push_back(tag_filter(read_tag_list(*tags), false));
  if (const json::value* matches = fields.any("matches")) {
    if (!matches->is_array()) Fields::refuse("matches", *matches, "A list is wanted");
    for (const json::value& match : matches->get_array()) add_match(query, match);
  }
  fields.finish();
  model::Page<VolumeDetail> page = co_await s.volumes.list(query);
  json::object reply{{"total_count", page.count.value_or(0)}};
  if (count_only) co_return json_reply(200, reply);
  json::array resources;
  for (const VolumeDetail& row : page.rows) {
    json::object detail = volume_view(*call, row, s.settings, true);
    add_evs_fields(detail, row);
    resources.push_back(json::object{{"resource_id", row.volume.id.str()},
                                     {"resource_name", text_or_null(row.volume.name)},
                                     {"resource_detail", std::move(detail)},
                                     {"tags", tag_array(row.volume.tags)}});
  }
  reply["resources"] = std::move(resources);
  co_return json_reply(200, reply);
}

constexpr Row<Services> kRows[] = {
    {Verb::get, "/cloudvolumes/tags", "evs:volumeTags:list", all_volume_tags},
    {Verb::get, "/cloudvolumes/{id}/tags", "evs:volumeTags:getById", volume_tags},
    {Verb::post, "/cloudvolumes/{id}/tags/action", "token", change_volume_tags},
    {Verb::post, "/cloudvolumes/resource_instances/action", "evs:volumeTags:get", find_volumes_by_tag},
};

constexpr Row<Services> kExtensionRows[] = {
    {Verb::get, "/os-vendor-volumes/{id}/tags", "evs:volumeTags:getById", volume_tags},
    {Verb::post, "/os-vendor-volumes/{id}/tags/action", "token", change_volume_tags},
    {Verb::post, "/os-vendor-volumes/resource_instances/action", "evs:volumeTags:get", find_volumes_by_tag},
};

}  // namespace

Rows tags_rows() {
  return kRows;
}

Rows tag_extension_rows() {
  return kExtensionRows;
}

}  // namespace varve::api::evs
