// Groups of users: what is assigned to a group, its members have.

#include "api/identity/resources.h"

namespace varve::api::identity_v3 {

using http::Verb;

namespace {

identity::GroupSpec read_group(Fields& fields, bool all) {
  identity::GroupSpec spec;
  spec.name = all ? fields.required_text("name") : fields.text("name");
  spec.description = fields.text("description");
  spec.domain_id = fields.text("domain_id");
  fields.finish();
  return spec;
}

Reply group_members(Context& c, CallPtr call) {
  co_return list_reply(*call, co_await c.directory.members(call->path.get("id")));
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
  model::User user = co_await c.directory.user(call->path.get("id"));
  co_return list_reply(*call, co_await c.directory.groups_of(user.id));
}

constexpr Row<Context> kRows[] = {
    {Verb::get, "/v3/groups", "admin", list<&Directory::groups>},
    {Verb::post, "/v3/groups", "admin", create<&Directory::create_group, read_group>},
    {Verb::get, "/v3/groups/{id}", "admin", show<&Directory::group>},
    {Verb::patch, "/v3/groups/{id}", "admin", update<&Directory::update_group, read_group>},
    {Verb::delete_, "/v3/groups/{id}", "admin", remove<&Directory::remove_group>},
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
