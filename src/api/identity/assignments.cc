// Role assignments on projects, domains and the system, and application credentials.

#include "api/identity/resources.h"
#include "base/parse_time.h"

namespace varve::api::identity_v3 {

using http::Verb;
using model::RoleAssignment;

namespace {

// What a role is held on: the first part of the place.
RoleAssignment assignment_of(const Call& call, Held on) {
  const char* kind = on == Held::OnProject ? "project" : on == Held::OnDomain ? "domain" : "system";
  return {UserId(call.path.get("user")), kind, on == Held::OnSystem ? "all" : call.path.get("target"),
          call.path.get("role"), call.path.get("group")};
}

bool same_target(const RoleAssignment& a, const RoleAssignment& b) {
  return a.user_id == b.user_id && a.group_id == b.group_id && a.target_kind == b.target_kind &&
         a.target_id == b.target_id;
}

bool wanted(const Call& call, const RoleAssignment& one) {
  auto passes = [&](const char* parameter, const std::string& value) {
    std::string filter = call.parameter(parameter);
    return filter.empty() || filter == value;
  };
  if (!call.parameter("scope.project.id").empty() && one.target_kind != "project") return false;
  if (!call.parameter("scope.domain.id").empty() && one.target_kind != "domain") return false;
  if (!call.parameter("scope.system").empty() && one.target_kind != "system") return false;
  return passes("user.id", one.user_id.str()) && passes("group.id", one.group_id) && passes("role.id", one.role_id) &&
         passes("scope.project.id", one.target_id) && passes("scope.domain.id", one.target_id);
}

// null: as if not there. Whatever else is no list is refused: what was to limit a credential must not be dropped.
json::array read_list(Fields& fields, std::string_view key) {
  const json::value* list = fields.any(key);
  if (list == nullptr || list->is_null()) return {};
  if (!list->is_array()) Fields::refuse(key, *list, "A list is wanted");
  return list->get_array();
}

Timestamp read_expiry(const std::string& text) {
  std::optional<Timestamp> time = parse_time(text);
  if (!time) Fields::refuse("expires_at", json::value(text), "It is not a time like 2030-01-31T12:00:00");
  return *time;
}

// Credentials belong to their user alone. A token made with one may not make more, unless it is unrestricted.
UserId credential_owner(const Call& call, bool change) {
  require_self_or_admin(call, call.path.get("user"));
  if (change && !call.identity->may_manage_credentials) {
    throw Error(ErrorCode::Forbidden,
                "The application credential of this token may not manage application credentials.");
  }
  return UserId(call.path.get("user"));
}

boost::asio::awaitable<json::object> domain_reference(Context& c, std::string id) {
  model::Domain domain = co_await c.directory.domain(id);
  co_return json::object{{"id", id}, {"name", domain.name}};
}

Reply list_assignments(Context& c, CallPtr call) {
  bool names = !call->parameter("include_names").empty();
  json::array items;
  for (const RoleAssignment& one : co_await c.directory.assignments()) {
    if (!wanted(*call, one)) continue;
    bool of_group = !one.group_id.empty();
    model::Role role = co_await c.directory.role(one.role_id);
    json::object item;
    json::object holder{{"id", of_group ? one.group_id : one.user_id.str()}};
    json::object role_ref{{"id", role.id}};
    if (names) {
      std::string domain;
      if (of_group) {
        model::Group group = co_await c.directory.group(one.group_id);
        holder["name"] = group.name;
        domain = group.domain_id;
      } else {
        model::User user = co_await c.directory.user(one.user_id.str());
        holder["name"] = user.name;
        domain = user.domain_id;
      }
      holder["domain"] = co_await domain_reference(c, domain);
      role_ref["name"] = role.name;
    }
    json::object scope;
    if (one.target_kind == "system") {
      scope["system"] = json::object{{"all", true}};
    } else {
      json::object target{{"id", one.target_id}};
      if (names && one.target_kind == "project") {
        model::Project project = co_await c.directory.project(one.target_id);
        target["name"] = project.name;
        target["domain"] = co_await domain_reference(c, project.domain_id);
      } else if (names) {
        target["name"] = (co_await c.directory.domain(one.target_id)).name;
      }
      scope[one.target_kind] = std::move(target);
    }
    item[of_group ? "group" : "user"] = std::move(holder);
    item["role"] = std::move(role_ref);
    item["scope"] = std::move(scope);
    item["links"] =
        json::object{{"assignment", call->base_url + "/identity/v3/" + one.target_kind + "s/" + one.target_id +
                                        (of_group ? "/groups/" + one.group_id : "/users/" + one.user_id.str()) +
                                        "/roles/" + one.role_id}};
    items.push_back(std::move(item));
  }
  co_return json_reply(200, list_view(*call, "role_assignments", std::move(items)));
}

template <Held kOn>
Reply target_roles(Context& c, CallPtr call) {
  RoleAssignment target = assignment_of(*call, kOn);
  json::array items;
  for (const RoleAssignment& one : co_await c.directory.assignments()) {
    if (same_target(one, target)) items.push_back(view(*call, co_await c.directory.role(one.role_id)));
  }
  co_return json_reply(200, list_view(*call, "roles", std::move(items)));
}

template <Held kOn>
Reply assign(Context& c, CallPtr call) {
  co_await c.directory.assign(assignment_of(*call, kOn));
  co_return empty_reply();
}

template <Held kOn>
Reply check_assignment(Context& c, CallPtr call) {
  RoleAssignment target = assignment_of(*call, kOn);
  for (const RoleAssignment& one : co_await c.directory.assignments()) {
    if (same_target(one, target) && one.role_id == target.role_id) co_return empty_reply();
  }
  throw Error(ErrorCode::NotFound, "Could not find role assignment with role: " + target.role_id + ".");
}

template <Held kOn>
Reply unassign(Context& c, CallPtr call) {
  co_await c.directory.unassign(assignment_of(*call, kOn));
  co_return empty_reply();
}

Reply list_credentials(Context& c, CallPtr call) {
  UserId owner = credential_owner(*call, false);
  std::string name = call->parameter("name");
  std::vector<model::Role> roles = co_await c.directory.roles();
  json::array items;
  for (const model::ApplicationCredential& one : co_await c.directory.credentials(owner)) {
    if (name.empty() || one.name == name) items.push_back(credential_view(*call, one, roles));
  }
  co_return json_reply(200, list_view(*call, "application_credentials", std::move(items)));
}

Reply show_credential(Context& c, CallPtr call) {
  UserId owner = credential_owner(*call, false);
  std::string id = call->path.get("id");
  for (const model::ApplicationCredential& one : co_await c.directory.credentials(owner)) {
    if (one.id != id) continue;
    json::object view = credential_view(*call, one, co_await c.directory.roles());
    co_return json_reply(200, json::object{{"application_credential", std::move(view)}});
  }
  throw Error(ErrorCode::NotFound, "Could not find application credential: " + id + ".");
}

Reply create_credential(Context& c, CallPtr call) {
  if (call->identity->user.id.str() != call->path.get("user")) {
    throw Error(ErrorCode::Forbidden, "Application credentials can be made for oneself only.");
  }
  credential_owner(*call, true);
  Body body(*call->request, "application_credential");
  Fields& fields = body.fields();
  identity::CredentialSpec spec;
  spec.name = fields.required_text("name");
  spec.description = fields.text("description", 1024);
  spec.secret = fields.text("secret");
  spec.unrestricted = fields.boolean("unrestricted").value_or(false);
  if (std::optional<std::string> expires = fields.text("expires_at")) spec.expires_at = read_expiry(*expires);
  for (const json::value& one : read_list(fields, "roles")) {
    Fields role(one, "roles");
    std::optional<std::string> name = role.text("name");
    std::optional<std::string> id = role.text("id");
    spec.roles.push_back(name ? *name : (co_await c.directory.role(id.value_or(""))).name);
  }
  if (json::array rules = read_list(fields, "access_rules"); !rules.empty()) {
    Fields::refuse("access_rules", rules, "Access rules are not supported");
  }
  fields.finish();
  identity::NewCredential made = co_await c.directory.create_credential(call->identity, std::move(spec));
  json::object view = credential_view(*call, made.credential, co_await c.directory.roles());
  view["secret"] = made.secret;
  co_return json_reply(201, json::object{{"application_credential", std::move(view)}});
}

Reply delete_credential(Context& c, CallPtr call) {
  UserId owner = credential_owner(*call, true);
  co_await c.directory.remove_credential(owner, call->path.get("id"));
  co_return empty_reply();
}

constexpr Row<Context> kRows[] = {
    {Verb::get, "/v3/role_assignments", "admin", list_assignments},
    {Verb::get, "/v3/users/{user}/application_credentials", "token", list_credentials},
    {Verb::post, "/v3/users/{user}/application_credentials", "token", create_credential},
    {Verb::get, "/v3/users/{user}/application_credentials/{id}", "token", show_credential},
    {Verb::delete_, "/v3/users/{user}/application_credentials/{id}", "token", delete_credential},
};

template <Held kOn>
constexpr Row<Context> kHeldRoles[] = {
    {Verb::get, "/roles", "admin", target_roles<kOn>},
    {Verb::put, "/roles/{role}", "admin", assign<kOn>},
    {Verb::get, "/roles/{role}", "admin", check_assignment<kOn>},
    {Verb::delete_, "/roles/{role}", "admin", unassign<kOn>},
};

}  // namespace

Rows assignments_rows() {
  return kRows;
}

Rows held_roles_rows(Held on) {
  switch (on) {
    case Held::OnProject:
      return kHeldRoles<Held::OnProject>;
    case Held::OnDomain:
      return kHeldRoles<Held::OnDomain>;
    default:
      return kHeldRoles<Held::OnSystem>;
  }
}

}  // namespace varve::api::identity_v3
