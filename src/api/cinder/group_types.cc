// Group types and their specs (3.11).

#include <boost/json.hpp>

#include "api/cinder/metadata_calls.h"
#include "api/cinder/rows.h"
#include "api/common/body.h"
#include "api/common/paging.h"
#include "api/common/replies.h"

namespace varve::api::cinder {

using http::Verb;
using model::GroupType;

namespace {

constexpr int kSince = 11;
constexpr FilterSpec kFilters[] = {{"is_public", "is_public", FilterSpec::Kind::Boolean}, {"name", "name"}};
constexpr SortSpec kSortKeys[] = {
    {"id", "id"}, {"name", "name"}, {"created_at", "created_at"}, {"updated_at", "updated_at"}};

json::object type_view(const Call& call, const GroupType& type) {
  json::object out{{"id", type.id.str()},
                   {"name", type.name},
                   {"description", text_or_null(type.description)},
                   {"is_public", type.is_public}};
  if (call.actor.admin) out["group_specs"] = metadata_view(type.specs);
  return out;
}

Reply list_group_types(Services& s, CallPtr call) {
  // Others see the public ones; administrators too, unless they ask.
  std::string asked = call->parameter("is_public");
  std::erase_if(call->query, [](const auto& parameter) { return parameter.first == "is_public"; });
  bool all = call->actor.admin && (asked == "None" || asked == "none");
  if (!all) call->query.emplace_back("is_public", call->actor.admin && !asked.empty() ? asked : "true");
  model::PageQuery query = parse_page(*call, ListSpec{kFilters, kSortKeys});
  query.project_id.reset();
  model::Page<GroupType> page = co_await s.group_types.list(query);
  auto view = [&](const GroupType& row) { return type_view(*call, row); };
  co_return page_reply(*call, "group_types", query, page, view);
}

Reply create_group_type(Services& s, CallPtr call) {
  Body body(*call->request, "group_type");
  Fields& fields = body.fields();
  services::GroupTypeSpec spec;
  spec.name = fields.required_text("name");
  spec.description = fields.text("description");
  spec.is_public = fields.boolean("is_public").value_or(true);
  spec.specs = fields.metadata("group_specs").value_or(model::Metadata());
  fields.finish();
  GroupType made = co_await s.group_types.create(std::move(spec));
  co_return json_reply(202, json::object{{"group_type", type_view(*call, made)}});
}

Reply show_group_type(Services& s, CallPtr call) {
  std::string id = call->path.get("id");
  GroupType type =
      id == "default" ? co_await s.group_types.default_type() : co_await s.group_types.show(call->actor, id);
  co_return json_reply(200, json::object{{"group_type", type_view(*call, type)}});
}

Reply update_group_type(Services& s, CallPtr call) {
  Body body(*call->request, "group_type");
  Fields& fields = body.fields();
  services::GroupTypeChange change;
  change.name = fields.text("name");
  if (change.name && change.name->empty()) Fields::refuse("name", json::value(""), "It must not be empty");
  change.description = fields.nullable_text("description");
  change.is_public = fields.boolean("is_public");
  fields.finish();
  if (!change.name && !change.description && !change.is_public) {
    Fields::refuse("group_type", json::object(), "Specify group type name, description or a combination thereof");
  }
  GroupType type = co_await s.group_types.update(call->path.get("id"), std::move(change));
  co_return json_reply(200, json::object{{"group_type", type_view(*call, type)}});
}

Reply delete_group_type(Services& s, CallPtr call) {
  co_await s.group_types.remove(call->path.get("id"));
  co_return empty_reply(202);
}

Reply group_specs(Services& s, CallPtr call) {
  GroupType type = co_await s.group_types.show(call->actor, call->path.get("id"));
  co_return json_reply(200, json::object{{"group_specs", metadata_view(type.specs)}});
}

Reply set_group_specs(Services& s, CallPtr call) {
  json::value whole = parse_body(*call->request);
  Fields fields(whole, "body");
  std::optional<model::Metadata> specs = fields.metadata("group_specs");
  if (!specs) throw Error(ErrorCode::InvalidInput, "'group_specs' is a required property");
  fields.finish();
  co_await s.group_types.merge_specs(call->path.get("id"), *specs);
  co_return json_reply(202, json::object{{"group_specs", metadata_view(*specs)}});
}

Reply group_spec(Services& s, CallPtr call) {
  std::string key = call->path.get("key");
  GroupType type = co_await s.group_types.show(call->actor, call->path.get("id"));
  auto found = type.specs.find(key);
  if (found == type.specs.end()) {
    throw Error(ErrorCode::NotFound, "Group Type " + type.id.str() + " has no specs with key " + key + ".");
  }
  co_return json_reply(200, json::object{{key, found->second}});
}

Reply set_group_spec(Services& s, CallPtr call) {
  std::string key = call->path.get("key");
  model::Metadata specs = read_one_pair(*call->request, key);
  co_await s.group_types.merge_specs(call->path.get("id"), specs);
  co_return json_reply(200, metadata_view(specs));
}

Reply delete_group_spec(Services& s, CallPtr call) {
  co_await s.group_types.remove_spec(call->path.get("id"), call->path.get("key"));
  co_return empty_reply(202);
}

constexpr Row<Services> kRows[] = {
    {Verb::get, "/group_types", "member", list_group_types, kSince},
    {Verb::post, "/group_types", "admin", create_group_type, kSince},
    {Verb::get, "/group_types/{id}", "member", show_group_type, kSince},
    {Verb::put, "/group_types/{id}", "admin", update_group_type, kSince},
    {Verb::delete_, "/group_types/{id}", "admin", delete_group_type, kSince},
    {Verb::get, "/group_types/{id}/group_specs", "admin", group_specs, kSince},
    {Verb::post, "/group_types/{id}/group_specs", "admin", set_group_specs, kSince},
    {Verb::get, "/group_types/{id}/group_specs/{key}", "admin", group_spec, kSince},
    {Verb::put, "/group_types/{id}/group_specs/{key}", "admin", set_group_spec, kSince},
    {Verb::delete_, "/group_types/{id}/group_specs/{key}", "admin", delete_group_spec, kSince},
};

}  // namespace

Rows group_types_rows() {
  return kRows;
}

}  // namespace varve::api::cinder
