#include <boost/json.hpp>

#include "api/cinder/metadata_calls.h"
#include "api/cinder/rows.h"
#include "api/common/action_rows.h"
#include "api/common/body.h"
#include "api/common/paging.h"
#include "api/common/resource_views.h"

namespace varve::api::cinder {

using http::Verb;
using model::VolumeType;

namespace {

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
    for (const auto& [key, value] : wanted_specs) {
      auto found = type.extra_specs.find(key);
      wanted = wanted && found != type.extra_specs.end() && found->second == value;
    }
    if (wanted) items.push_back(type_view(*call, type, TypeFields::Shown));
  }
  co_return json_reply(200, json::object{{"volume_types", std::move(items)}});
}

Reply show_type(Services& s, CallPtr call) {
  std::string id = call->path.get("id");
  VolumeType type =
      id == "default" ? co_await s.types.default_type(call->actor) : co_await s.types.show(call->actor, id);
  co_return json_reply(200, json::object{{"volume_type", type_view(*call, type, TypeFields::Shown)}});
}

Reply create_type(Services& s, CallPtr call) {
  Body body(*call->request, "volume_type");
  Fields& fields = body.fields();
  services::VolumeTypeSpec spec;
  spec.name = fields.required_text("name");
  spec.description = fields.text("description");
  spec.is_public = fields.boolean("os-volume-type-access:is_public").value_or(true);
  spec.extra_specs = fields.metadata("extra_specs").value_or(model::Metadata());
  fields.finish();
  VolumeType made = co_await s.types.create(std::move(spec));
  co_return json_reply(200, json::object{{"volume_type", type_view(*call, made, TypeFields::Created)}});
}

Reply update_type(Services& s, CallPtr call) {
  Body body(*call->request, "volume_type");
  Fields& fields = body.fields();
  services::VolumeTypeChange change;
  change.name = fields.text("name");
  if (change.name && change.name->empty()) Fields::refuse("name", json::value(""), "It must not be empty");
  change.description = fields.nullable_text("description");
  change.is_public = fields.boolean("is_public");
  fields.finish();
  if (!change.name && !change.description && !change.is_public) {
    Fields::refuse("volume_type", json::object(), "At least one of name, description and is_public is wanted");
  }
  VolumeType type = co_await s.types.update(call->path.get("id"), std::move(change));
  co_return json_reply(200, json::object{{"volume_type", type_view(*call, type, TypeFields::Updated)}});
}

Reply delete_type(Services& s, CallPtr call) {
  co_await s.types.remove(call->path.get("id"));
  co_return empty_reply(202);
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

Reply extra_specs(Services& s, CallPtr call) {
  VolumeType type = co_await s.types.show(call->actor, call->path.get("id"));
  json::object view = type_view(*call, type, TypeFields::Shown);
  co_return json_reply(200, json::object{{"extra_specs", view.at("extra_specs")}});
}

Reply create_extra_specs(Services& s, CallPtr call) {
  json::value whole = parse_body(*call->request);
  Fields fields(whole, "body");
  std::optional<model::Metadata> specs = fields.metadata("extra_specs");
  if (!specs) throw Error(ErrorCode::InvalidInput, "'extra_specs' is a required property");
  fields.finish();
  model::Metadata set = co_await s.types.merge_extra_specs(call->path.get("id"), std::move(*specs));
  co_return json_reply(200, json::object{{"extra_specs", metadata_view(set)}});
}

Reply extra_spec(Services& s, CallPtr call) {
  VolumeType type = co_await s.types.show(call->actor, call->path.get("id"));
  std::string key = call->path.get("key");
  auto found = type.extra_specs.find(key);
  if (found == type.extra_specs.end()) {
    throw Error(ErrorCode::NotFound, "Volume Type " + type.id.str() + " has no extra specs with key " + key + ".");
  }
  co_return json_reply(200, json::object{{key, found->second}});
}

Reply update_extra_spec(Services& s, CallPtr call) {
  model::Metadata specs = read_one_pair(*call->request, call->path.get("key"));
  model::Metadata set = co_await s.types.merge_extra_specs(call->path.get("id"), std::move(specs));
  co_return json_reply(200, metadata_view(set));
}

Reply delete_extra_spec(Services& s, CallPtr call) {
  co_await s.types.remove_extra_spec(call->path.get("id"), call->path.get("key"));
  co_return empty_reply(202);
}

constexpr Row<Services> kRows[] = {
    {Verb::get, "/types", "evs:types:get", list_types},
    {Verb::post, "/types", "admin", create_type},
    {Verb::get, "/types/{id}", "evs:types:get", show_type},
    {Verb::put, "/types/{id}", "admin", update_type},
    {Verb::delete_, "/types/{id}", "admin", delete_type},
    action_row<kActions, Services>("/types/{id}/action"),
    {Verb::get, "/types/{id}/os-volume-type-access", "admin", type_access},
    {Verb::get, "/types/{id}/extra_specs", "evs:types:get", extra_specs},
    {Verb::post, "/types/{id}/extra_specs", "admin", create_extra_specs},
    {Verb::get, "/types/{id}/extra_specs/{key}", "evs:types:get", extra_spec},
    {Verb::put, "/types/{id}/extra_specs/{key}", "admin", update_extra_spec},
    {Verb::delete_, "/types/{id}/extra_specs/{key}", "admin", delete_extra_spec},
};

}  // namespace

Rows types_rows() {
  return kRows;
}

}  // namespace varve::api::cinder
