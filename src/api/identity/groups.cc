// Groups of users: what is assigned to a group, its members have.

#include "api/common/body.h"
#include "api/identity/identity_api.h"
#include "api/identity/identity_views.h"

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

}  // namespace

void IdentityApi::register_groups(Dispatcher& d) {
  auto token = Access::Token;
  route(d, Verb::get, "/v3/groups", token, &IdentityApi::list_groups);
  route(d, Verb::post, "/v3/groups", token, &IdentityApi::create_group);
  route(d, Verb::get, "/v3/groups/{id}", token, &IdentityApi::show_group);
  route(d, Verb::patch, "/v3/groups/{id}", token, &IdentityApi::update_group);
  route(d, Verb::delete_, "/v3/groups/{id}", token, &IdentityApi::delete_group);
  route(d, Verb::get, "/v3/groups/{id}/users", token, &IdentityApi::group_members);
  route(d, Verb::get, "/v3/groups/{id}/users/{user}", token, &IdentityApi::check_member);
  route(d, Verb::put, "/v3/groups/{id}/users/{user}", token, &IdentityApi::add_member);
  route(d, Verb::delete_, "/v3/groups/{id}/users/{user}", token, &IdentityApi::remove_member);
  route(d, Verb::get, "/v3/users/{id}/groups", token, &IdentityApi::user_groups);
}

IdentityApi::Reply IdentityApi::list_groups(CallPtr call) {
  call->require_admin();
  std::string name = call->parameter("name");
  std::string domain = call->parameter("domain_id");
  json::array items;
  for (const model::Group& group : co_await directory_.groups()) {
    bool wanted = (name.empty() || group.name == name) && (domain.empty() || group.domain_id == domain);
    if (wanted) items.push_back(group_view(*call, group));
  }
  co_return json_reply(200, list_view(*call, "groups", std::move(items)));
}

IdentityApi::Reply IdentityApi::show_group(CallPtr call) {
  call->require_admin();
  model::Group group = co_await directory_.group(call->path.get("id"));
  co_return json_reply(200, json::object{{"group", group_view(*call, group)}});
}

IdentityApi::Reply IdentityApi::create_group(CallPtr call) {
  call->require_admin();
  Body body(*call->request, "group");
  model::Group group = co_await directory_.create_group(read_group(body.fields(), true));
  co_return json_reply(201, json::object{{"group", group_view(*call, group)}});
}

IdentityApi::Reply IdentityApi::update_group(CallPtr call) {
  call->require_admin();
  Body body(*call->request, "group");
  model::Group group = co_await directory_.update_group(call->path.get("id"), read_group(body.fields(), false));
  co_return json_reply(200, json::object{{"group", group_view(*call, group)}});
}

IdentityApi::Reply IdentityApi::delete_group(CallPtr call) {
  call->require_admin();
  co_await directory_.remove_group(call->path.get("id"));
  co_return empty_reply();
}

IdentityApi::Reply IdentityApi::group_members(CallPtr call) {
  call->require_admin();
  json::array items;
  for (const model::User& user : co_await directory_.members(call->path.get("id")))
    items.push_back(user_view(*call, user));
  co_return json_reply(200, list_view(*call, "users", std::move(items)));
}

IdentityApi::Reply IdentityApi::check_member(CallPtr call) {
  require_self_or_admin(*call, call->path.get("user"));
  if (!co_await directory_.is_member(call->path.get("id"), UserId(call->path.get("user")))) {
    throw Error(ErrorCode::NotFound,
                "User " + call->path.get("user") + " is not in group " + call->path.get("id") + ".");
  }
  co_return empty_reply();
}

IdentityApi::Reply IdentityApi::add_member(CallPtr call) {
  call->require_admin();
  co_await directory_.add_member(call->path.get("id"), UserId(call->path.get("user")));
  co_return empty_reply();
}

IdentityApi::Reply IdentityApi::remove_member(CallPtr call) {
  call->require_admin();
  co_await directory_.remove_member(call->path.get("id"), UserId(call->path.get("user")));
  co_return empty_reply();
}

IdentityApi::Reply IdentityApi::user_groups(CallPtr call) {
  require_self_or_admin(*call, call->path.get("id"));
  json::array items;
  for (const model::Group& group : co_await directory_.groups_of(UserId(call->path.get("id")))) {
    items.push_back(group_view(*call, group));
  }
  co_return json_reply(200, list_view(*call, "groups", std::move(items)));
}

}  // namespace varve::api::identity_v3
