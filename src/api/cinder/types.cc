// Volume types, their extra specs and who may use private ones.

#include "api/cinder/type_calls.h"
#include "api/common/action_rows.h"
#include "api/common/paging.h"

namespace varve::api::cinder {

using http::Verb;
using model::VolumeType;

namespace {

struct VolumeTypeCalls {
  static constexpr services::VolumeTypes Services::* kCalls = &Services::types;
  static constexpr std::string_view kEnvelope = "volume_type";
  static constexpr std::string_view kIsPublic = "os-volume-type-access:is_public";  // in a creation
  static constexpr std::string_view kSpecs = "extra_specs";
  static constexpr std::string_view kTitle = "Volume Type";
  static constexpr std::string_view kSpecsWord = "extra specs";
  static constexpr std::string_view kNoChange = "At least one of name, description and is_public is wanted";
  static constexpr unsigned kCreated = 200;

  static model::Metadata specs(const Call& call, const VolumeType& type) { return visible_specs(call, type); }
  static json::object view(const Call& call, const VolumeType& type, TypeFields fields) {
    return type_view(call, type, fields);
  }
};

Reply list_types(Services& s, CallPtr call) {
  std::string is_public = call->parameter("is_public");
  model::Metadata wanted_specs;
  if (std::string text = call->parameter("extra_specs"); call->version.at_least(52) && !text.empty()) {
    wanted_specs = parse_pairs("extra_specs", text);
  }
  json::array items;
  for (const VolumeType& type : co_await s.types.list(call->actor)) {
    bool wanted = is_public.empty() || is_public == "None" || type.is_public == parse_boolean("is_public", is_public);
    // Extra specs as a filter (3.52): what the viewer may see of them counts.
    model::Metadata specs = wanted_specs.empty() ? model::Metadata() : visible_specs(*call, type);
    for (const auto& [key, value] : wanted_specs) {
      auto found = specs.find(key);
      wanted = wanted && found != specs.end() && found->second == value;
    }
    if (wanted) items.push_back(type_view(*call, type, TypeFields::Shown));
  }
  co_return json_reply(200, json::object{{"volume_types", std::move(items)}});
}

Reply show_type(Services& s, CallPtr call) {
  std::string id = call->path.get("id");
  VolumeType type =
      id == "default" ? co_await s.types.default_type(call->actor) : co_await s.types.show(call->actor, id);
  co_return type_reply<VolumeTypeCalls>(200, *call, type, TypeFields::Shown);
}

Reply type_access(Services& s, CallPtr call) {
  std::string id = call->path.get("id");
  json::array items;
  for (const ProjectId& project : co_await s.types.access(id)) {
    items.push_back(json::object{{"volume_type_id", id}, {"project_id", project.str()}});
  }
  co_return json_reply(200, json::object{{"volume_type_access", std::move(items)}});
}

Reply add_access(Services& s, CallPtr call, Arguments given) {
  co_await s.types.grant(call->path.get("id"), ProjectId(given.only("project")));
  co_return empty_reply(202);
}

Reply remove_access(Services& s, CallPtr call, Arguments given) {
  co_await s.types.revoke(call->path.get("id"), ProjectId(given.only("project")));
  co_return empty_reply(202);
}

constexpr ActionRow<Services> kActions[] = {
    {"addProjectAccess", "admin", add_access},
    {"removeProjectAccess", "admin", remove_access},
};

Reply show_extra_specs(Services& s, CallPtr call) {
  VolumeType type = co_await s.types.show(call->actor, call->path.get("id"));
  co_return json_reply(200, json::object{{"extra_specs", metadata_view(visible_specs(*call, type))}});
}

constexpr Row<Services> kRows[] = {
    {Verb::get, "/types", "evs:types:get", list_types},
    {Verb::post, "/types", "admin", create_type<VolumeTypeCalls>},
    {Verb::get, "/types/{id}", "evs:types:get", show_type},
    {Verb::put, "/types/{id}", "admin", update_type<VolumeTypeCalls>},
    {Verb::delete_, "/types/{id}", "admin", delete_type<VolumeTypeCalls>},
    action_row<kActions, Services>("/types/{id}/action"),
    {Verb::get, "/types/{id}/os-volume-type-access", "admin", type_access},
    {Verb::get, "/types/{id}/extra_specs", "evs:types:get", show_extra_specs},
    {Verb::post, "/types/{id}/extra_specs", "admin", create_specs<VolumeTypeCalls>},
    {Verb::get, "/types/{id}/extra_specs/{key}", "evs:types:get", show_spec<VolumeTypeCalls>},
    {Verb::put, "/types/{id}/extra_specs/{key}", "admin", update_spec<VolumeTypeCalls>},
    {Verb::delete_, "/types/{id}/extra_specs/{key}", "admin", delete_spec<VolumeTypeCalls>},
};

}  // namespace

Rows types_rows() {
  return kRows;
}

}  // namespace varve::api::cinder
