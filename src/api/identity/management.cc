// Domains, projects, users and roles: administrators change them; a user may look at itself and change its password.

#include "api/common/body.h"
#include "api/identity/identity_views.h"
#include "api/identity/rows.h"

namespace varve::api::identity_v3 {

using http::Verb;

namespace {

constexpr std::size_t kPassword = 4096;
constexpr std::size_t kDescription = 1024;

void require_self_or_admin(const Call& call, const std::string& user) {
  if (call.identity->user.id.str() != user) call.require_admin();
}

identity::ProjectSpec read_project(Fields& fields, bool create) {
  identity::ProjectSpec spec;
  spec.name = create ? std::optional(fields.required_text("name", 64)) : fields.text("name", 64);
  spec.domain_id = fields.text("domain_id");
  spec.description = fields.text("description", kDescription);
  spec.enabled = fields.boolean("enabled");
  for (const char* ignored : {"parent_id", "is_domain", "tags", "options"}) fields.ignore(ignored);
  fields.finish();
  return spec;
}

identity::UserSpec read_user(Fields& fields, bool create) {
  identity::UserSpec spec;
  spec.name = create ? std::optional(fields.required_text("name")) : fields.text("name");
  spec.domain_id = fields.text("domain_id");
  spec.password = fields.text("password", kPassword);
  spec.description = fields.text("description", kDescription);
  spec.email = fields.text("email");
  spec.default_project_id = fields.nullable_text("default_project_id");
  spec.enabled = fields.boolean("enabled");
  for (const char* ignored : {"options", "tenantId", "federated"}) fields.ignore(ignored);
  fields.finish();
  return spec;
}

// ?name=, ?domain_id=, ?enabled= on lists.
bool matches(const Call& call, const std::string& name, const std::string& domain_id, bool enabled) {
  std::string wanted_name = call.parameter("name");
  std::string wanted_domain = call.parameter("domain_id");
  std::string wanted_enabled = call.parameter("enabled");
  if (!wanted_name.empty() && wanted_name != name) return false;
  if (!wanted_domain.empty() && wanted_domain != domain_id) return false;
  return wanted_enabled.empty() || parse_boolean("enabled", wanted_enabled) == enabled;
}

Reply list_domains(Context& c, CallPtr call) {
  json::array items;
  for (const model::Domain& domain : co_await c.directory.domains()) {
    if (matches(*call, domain.name, call->parameter("domain_id"), domain.enabled))
      items.push_back(domain_view(*call, domain));
  }
  co_return json_reply(200, list_view(*call, "domains", std::move(items)));
}

Reply show_domain(Context& c, CallPtr call) {
  model::Domain domain = co_await c.directory.domain(call->path.get("id"));
  if (call->identity->user_domain.id != domain.id) call->require_admin();
  co_return json_reply(200, json::object{{"domain", domain_view(*call, domain)}});
}

Reply create_domain(Context& c, CallPtr call) {
  Body body(*call->request, "domain");
  identity::ProjectSpec spec = read_project(body.fields(), true);
  model::Domain domain = co_await c.directory.create_domain(std::move(spec));
  co_return json_reply(201, json::object{{"domain", domain_view(*call, domain)}});
}

Reply update_domain(Context& c, CallPtr call) {
  Body body(*call->request, "domain");
  identity::ProjectSpec spec = read_project(body.fields(), false);
  model::Domain domain = co_await c.directory.update_domain(call->path.get("id"), std::move(spec));
  co_return json_reply(200, json::object{{"domain", domain_view(*call, domain)}});
}

Reply delete_domain(Context& c, CallPtr call) {
  co_await c.directory.remove_domain(call->path.get("id"));
  co_return empty_reply();
}

Reply list_projects(Context& c, CallPtr call) {
  json::array items;
  for (const model::Project& project : co_await c.directory.projects()) {
    if (matches(*call, project.name, project.domain_id, project.enabled)) items.push_back(project_view(*call, project));
  }
  co_return json_reply(200, list_view(*call, "projects", std::move(items)));
}

Reply show_project(Context& c, CallPtr call) {
  std::string id = call->path.get("id");
  bool own = call->identity->project && call->identity->project->id.str() == id;
  if (!own) call->require_admin();
  model::Project project = co_await c.directory.project(id);
  co_return json_reply(200, json::object{{"project", project_view(*call, project)}});
}

Reply create_project(Context& c, CallPtr call) {
  Body body(*call->request, "project");
  identity::ProjectSpec spec = read_project(body.fields(), true);
  model::Project project = co_await c.directory.create_project(std::move(spec));
  co_return json_reply(201, json::object{{"project", project_view(*call, project)}});
}

Reply update_project(Context& c, CallPtr call) {
  Body body(*call->request, "project");
  identity::ProjectSpec spec = read_project(body.fields(), false);
  model::Project project = co_await c.directory.update_project(call->path.get("id"), std::move(spec));
  co_return json_reply(200, json::object{{"project", project_view(*call, project)}});
}

Reply delete_project(Context& c, CallPtr call) {
  co_await c.directory.remove_project(call->path.get("id"));
  co_return empty_reply();
}

Reply list_users(Context& c, CallPtr call) {
  json::array items;
  for (const model::User& user : co_await c.directory.users()) {
    if (matches(*call, user.name, user.domain_id, user.enabled)) items.push_back(user_view(*call, user));
  }
  co_return json_reply(200, list_view(*call, "users", std::move(items)));
}

Reply show_user(Context& c, CallPtr call) {
  require_self_or_admin(*call, call->path.get("id"));
  model::User user = co_await c.directory.user(call->path.get("id"));
  co_return json_reply(200, json::object{{"user", user_view(*call, user)}});
}

Reply create_user(Context& c, CallPtr call) {
  Body body(*call->request, "user");
  identity::UserSpec spec = read_user(body.fields(), true);
  model::User user = co_await c.directory.create_user(std::move(spec));
  co_return json_reply(201, json::object{{"user", user_view(*call, user)}});
}

Reply update_user(Context& c, CallPtr call) {
  Body body(*call->request, "user");
  identity::UserSpec spec = read_user(body.fields(), false);
  model::User user = co_await c.directory.update_user(call->path.get("id"), std::move(spec));
  co_return json_reply(200, json::object{{"user", user_view(*call, user)}});
}

Reply change_password(Context& c, CallPtr call) {
  require_self_or_admin(*call, call->path.get("id"));
  Body body(*call->request, "user");
  std::string original = body.fields().required_text("original_password", kPassword);
  std::string password = body.fields().required_text("password", kPassword);
  body.fields().finish();
  co_await c.directory.change_password(call->path.get("id"), std::move(original), std::move(password),
                                       call->request->peer);
  co_return empty_reply();
}

Reply delete_user(Context& c, CallPtr call) {
  co_await c.directory.remove_user(call->path.get("id"));
  co_return empty_reply();
}

Reply user_projects(Context& c, CallPtr call) {
  require_self_or_admin(*call, call->path.get("id"));
  json::array items;
  for (const model::Project& project : co_await c.directory.projects_of(UserId(call->path.get("id")))) {
    if (matches(*call, project.name, project.domain_id, project.enabled)) items.push_back(project_view(*call, project));
  }
  co_return json_reply(200, list_view(*call, "projects", std::move(items)));
}

Reply list_roles(Context& c, CallPtr call) {
  json::array items;
  std::string name = call->parameter("name");
  for (const model::Role& role : co_await c.directory.roles()) {
    if (name.empty() || role.name == name) items.push_back(role_view(*call, role));
  }
  co_return json_reply(200, list_view(*call, "roles", std::move(items)));
}

Reply show_role(Context& c, CallPtr call) {
  model::Role role = co_await c.directory.role(call->path.get("id"));
  co_return json_reply(200, json::object{{"role", role_view(*call, role)}});
}

Reply create_role(Context& c, CallPtr call) {
  Body body(*call->request, "role");
  identity::RoleSpec spec;
  spec.name = body.fields().required_text("name");
  spec.description = body.fields().nullable_text("description");
  for (const char* ignored : {"domain_id", "options"}) body.fields().ignore(ignored);
  body.fields().finish();
  model::Role role = co_await c.directory.create_role(std::move(spec));
  co_return json_reply(201, json::object{{"role", role_view(*call, role)}});
}

Reply update_role(Context& c, CallPtr call) {
  Body body(*call->request, "role");
  identity::RoleSpec spec;
  spec.name = body.fields().text("name");
  spec.description = body.fields().nullable_text("description");
  body.fields().ignore("options");
  body.fields().finish();
  model::Role role = co_await c.directory.update_role(call->path.get("id"), std::move(spec));
  co_return json_reply(200, json::object{{"role", role_view(*call, role)}});
}

Reply delete_role(Context& c, CallPtr call) {
  co_await c.directory.remove_role(call->path.get("id"));
  co_return empty_reply();
}

constexpr Row<Context> kRows[] = {
    {Verb::get, "/v3/domains", "admin", list_domains},
    {Verb::post, "/v3/domains", "admin", create_domain},
    {Verb::get, "/v3/domains/{id}", "token", show_domain},
    {Verb::patch, "/v3/domains/{id}", "admin", update_domain},
    {Verb::delete_, "/v3/domains/{id}", "admin", delete_domain},
    {Verb::get, "/v3/projects", "admin", list_projects},
    {Verb::post, "/v3/projects", "admin", create_project},
    {Verb::get, "/v3/projects/{id}", "token", show_project},
    {Verb::patch, "/v3/projects/{id}", "admin", update_project},
    {Verb::delete_, "/v3/projects/{id}", "admin", delete_project},
    {Verb::get, "/v3/users", "admin", list_users},
    {Verb::post, "/v3/users", "admin", create_user},
    {Verb::get, "/v3/users/{id}", "token", show_user},
    {Verb::patch, "/v3/users/{id}", "admin", update_user},
    {Verb::delete_, "/v3/users/{id}", "admin", delete_user},
    {Verb::post, "/v3/users/{id}/password", "token", change_password},
    {Verb::get, "/v3/users/{id}/projects", "token", user_projects},
    {Verb::get, "/v3/roles", "admin", list_roles},
    {Verb::post, "/v3/roles", "admin", create_role},
    {Verb::get, "/v3/roles/{id}", "admin", show_role},
    {Verb::patch, "/v3/roles/{id}", "admin", update_role},
    {Verb::delete_, "/v3/roles/{id}", "admin", delete_role},
};

}  // namespace

Rows management_rows() {
  return kRows;
}

}  // namespace varve::api::identity_v3
