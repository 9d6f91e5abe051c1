#include <boost/json.hpp>

#include "api/cinder/cinder_api.h"
#include "api/cinder/metadata_calls.h"
#include "api/common/body.h"
#include "api/common/paging.h"
#include "api/common/resource_views.h"

namespace varve::api::cinder {

using http::Verb;
using model::VolumeType;

void CinderApi::register_types(Dispatcher& d) {
  route(d, Verb::get, "/types", &CinderApi::list_types);
  route(d, Verb::post, "/types", &CinderApi::create_type);
  route(d, Verb::get, "/types/{id}", &CinderApi::show_type);
  route(d, Verb::put, "/types/{id}", &CinderApi::update_type);
  route(d, Verb::delete_, "/types/{id}", &CinderApi::delete_type);
  route(d, Verb::post, "/types/{id}/action", &CinderApi::type_action);
  route(d, Verb::get, "/types/{id}/os-volume-type-access", &CinderApi::type_access);
  route(d, Verb::get, "/types/{id}/extra_specs", &CinderApi::extra_specs);
  route(d, Verb::post, "/types/{id}/extra_specs", &CinderApi::create_extra_specs);
  route(d, Verb::get, "/types/{id}/extra_specs/{key}", &CinderApi::extra_spec);
  route(d, Verb::put, "/types/{id}/extra_specs/{key}", &CinderApi::update_extra_spec);
  route(d, Verb::delete_, "/types/{id}/extra_specs/{key}", &CinderApi::delete_extra_spec);
}

CinderApi::Reply CinderApi::list_types(CallPtr call) {
  std::string is_public = call->parameter("is_public");
  model::Metadata wanted_specs;
  if (std::string text = call->parameter("extra_specs"); call->version.at_least(52) && !text.empty()) {
    wanted_specs = parse_pairs("extra_specs", text);
  }
  json::array items;
  for (const VolumeType& type : co_await s_.types.list(call->actor)) {
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

CinderApi::Reply CinderApi::show_type(CallPtr call) {
  std::string id = call->path.get("id");
  VolumeType type =
      id == "default" ? co_await s_.types.default_type(call->actor) : co_await s_.types.show(call->actor, id);
  co_return json_reply(200, json::object{{"volume_type", type_view(*call, type, TypeFields::Shown)}});
}

CinderApi::Reply CinderApi::create_type(CallPtr call) {
  call->require_admin();
  Body body(*call->request, "volume_type");
  Fields& fields = body.fields();
  services::VolumeTypeSpec spec;
  spec.name = fields.required_text("name");
  spec.description = fields.text("description");
  spec.is_public = fields.boolean("os-volume-type-access:is_public").value_or(true);
  spec.extra_specs = fields.metadata("extra_specs").value_or(model::Metadata());
  fields.finish();
  VolumeType made = co_await s_.types.create(std::move(spec));
  co_return json_reply(200, json::object{{"volume_type", type_view(*call, made, TypeFields::Created)}});
}

CinderApi::Reply CinderApi::update_type(CallPtr call) {
  call->require_admin();
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
  VolumeType type = co_await s_.types.update(call->path.get("id"), std::move(change));
  co_return json_reply(200, json::object{{"volume_type", type_view(*call, type, TypeFields::Updated)}});
}

CinderApi::Reply CinderApi::delete_type(CallPtr call) {
  call->require_admin();
  co_await s_.types.remove(call->path.get("id"));
  co_return empty_reply(202);
}

CinderApi::Reply CinderApi::type_access(CallPtr call) {
  call->require_admin();
  std::string id = call->path.get("id");
  json::array items;
  for (const ProjectId& project : co_await s_.types.access(id)) {
    items.push_back(json::object{{"volume_type_id", id}, {"project_id", project.str()}});
  }
  co_return json_reply(200, json::object{{"volume_type_access", std::move(items)}});
}

CinderApi::Reply CinderApi::type_action(CallPtr call) {
  call->require_admin();
  json::object body = parse_body(*call->request);
  std::string name = body.size() == 1 ? std::string(body.begin()->key()) : std::string();
  bool add = name == "addProjectAccess";
  if (!add && name != "removeProjectAccess") {
    throw Error(ErrorCode::InvalidInput, "There is no such action: " + name.substr(0, 100) + ".");
  }
  Fields fields(body.begin()->value(), name);
  ProjectId project(fields.required_text("project"));
  fields.finish();
  std::string id = call->path.get("id");
  if (add) {
    co_await s_.types.grant(id, project);
  } else {
    co_await s_.types.revoke(id, project);
  }
  co_return empty_reply(202);
}

CinderApi::Reply CinderApi::extra_specs(CallPtr call) {
  VolumeType type = co_await s_.types.show(call->actor, call->path.get("id"));
  json::object view = type_view(*call, type, TypeFields::Shown);
  co_return json_reply(200, json::object{{"extra_specs", view.at("extra_specs")}});
}

CinderApi::Reply CinderApi::create_extra_specs(CallPtr call) {
  call->require_admin();
  json::value whole = parse_body(*call->request);
  Fields fields(whole, "body");
  std::optional<model::Metadata> specs = fields.metadata("extra_specs");
  if (!specs) throw Error(ErrorCode::InvalidInput, "'extra_specs' is a required property");
  fields.finish();
  model::Metadata set = co_await s_.types.merge_extra_specs(call->path.get("id"), std::move(*specs));
  co_return json_reply(200, json::object{{"extra_specs", metadata_view(set)}});
}

CinderApi::Reply CinderApi::extra_spec(CallPtr call) {
  VolumeType type = co_await s_.types.show(call->actor, call->path.get("id"));
  std::string key = call->path.get("key");
  auto found = type.extra_specs.find(key);
  if (found == type.extra_specs.end()) {
    throw Error(ErrorCode::NotFound, "Volume Type " + type.id.str() + " has no extra specs with key " + key + ".");
  }
  co_return json_reply(200, json::object{{key, found->second}});
}

CinderApi::Reply CinderApi::update_extra_spec(CallPtr call) {
  call->require_admin();
  model::Metadata specs = read_one_pair(*call->request, call->path.get("key"));
  model::Metadata set = co_await s_.types.merge_extra_specs(call->path.get("id"), std::move(specs));
  co_return json_reply(200, metadata_view(set));
}

CinderApi::Reply CinderApi::delete_extra_spec(CallPtr call) {
  call->require_admin();
  co_await s_.types.remove_extra_spec(call->path.get("id"), call->path.get("key"));
  co_return empty_reply(202);
}

}  // namespace varve::api::cinder
