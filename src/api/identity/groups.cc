// Groups of users: what is assigned to a group, its members have.

#include "api/common/body.h"
#include "api/identity/identity_views.h"
#include "api/identity/rows.h"

namespace varve::api::identity_v3 {

using http::Verb;

namespace {

identity::GroupSpec read_group(Fields& fields, bool name_wanted) {
  identity::GroupSpec spec;
  spec.name = name_wanted ? fields.required_text("name") : fields.text("name");
  spec.description = fields.text("description");
  spec.domain_id = fields.text("domain_id");
  fields.finish();
  return spec;
}

void require_self_or_admin(const Call& call, const std::string& user) {
  if (call.identity->user.id.str() != user) call.require_admin();
}

Reply list_groups(Context& c, CallPtr call) {
  std::string name = call->parameter("name");
  std::string domain = call->parameter("domain_id");
  json::array items;
  for (const model::Group& group : co_await c.directory.groups()) {
    bool wanted = (name.empty() || group.name == name) && (domain.empty() || group.domain_id == domain);
    if (wanted) items.push_back(group_view(*call, group));
  }
  co_return json_reply(200, list_view(*call, "groups", std::move(items)));
}

Reply show_group(Context& c, CallPtr call) {
  model::Group group = co_await c.directory.group(call->path.get("id"));
  co_return json_reply(200, json::object{{"group", group_view(*call, group)}});
}

Reply create_group(Context& c, CallPtr call) {
  Body body(*call->request, "group");
  model::Group group = co_await c.directory.create_group(read_group(body.fields(), true));
  co_return json_reply(201, json::object{{"group", group_view(*call, group)}});
}

Reply update_group(Context& c, CallPtr call) {
  Body body(*call->request, "group");
  model::Group group = co_await c.directory.update_group(call->path.get("id"), read_group(body.fields(), false));
  co_return json_reply(200, json::object{{"group", group_view(*call, group)}});
}

Reply delete_group(Context& c, CallPtr call) {
  co_await c.directory.remove_group(call->path.get("id"));
  co_return empty_reply();
}

Reply group_members(Context& c, CallPtr call) {
  json::array items;
  for (const model::User& user : co_await c.directory.members(call->path.get("id")))
    items.push_back(user_view(*call, user));
  co_return json_reply(200, list_view(*call, "users", std::move(items)));
}

Reply check_member(Context& c, CallPtr call) {
  require_self_or_admin(*call, call->path.get("user"));
  if (!co_await c.directory.is_member(call->path.get("id"), UserId(call->path.get("user")))) {
    throw Error(ErrorCode::NotFound,
                "User " + call->path.get("user") + " is not in group " + call->path.get("id") + ".");
  }
  co_return empty_reply();
}

Reply add_member(Context& c, CallPtr call) {
  co_await c.directory.add_member(call->path.get("id"), UserId(call->path.get("user")));
  co_return empty_reply();
}

Reply remove_member(Context& c, CallPtr call) {
  co_await c.directory.remove_member(call->path.get("id"), UserId(call->path.get("user")));
  co_return empty_reply();
}

Reply user_groups(Context& c, CallPtr call) {
  require_self_or_admin(*call, call->path.get("id"));
  json::array items;
  for (const model::Group& group : co_await c.directory.groups_of(UserId(call->path.get("id")))) {
    items.push_back(group_view(*call, group));
  }
  co_return json_reply(200, list_view(*call, "groups", std::move(items)));
}

constexpr Row<Context> kRows[] = {
    {Verb::get, "/v3/groups", "admin", list_groups},
    {Verb::post, "/v3/groups", "admin", create_group},
    {Verb::get, "/v3/groups/{id}", "admin", show_group},
    {Verb::patch, "/v3/groups/{id}", "admin", update_group},
    {Verb::delete_, "/v3/groups/{id}", "admin", delete_group},
    {Verb::get, "/v3/groups/{id}/users", "admin", group_members},
    {Verb::get, "/v3/groups/{id}/users/{user}", "token", check_member},
    {Verb::put, "/v3/groups/{id}/users/{user}", "admin", add_member},
    {Verb::delete_, "/v3/groups/{id}/users/{user}", "admin", remove_member},
    {Verb::get, "/v3/users/{id}/groups", "token", user_groups},
};

}  // namespace

Rows groups_rows() {
  return kRows;
}

}  // namespace varve::api::identity_v3
