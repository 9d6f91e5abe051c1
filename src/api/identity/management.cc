// Domains, projects, users and roles: administrators change them; a user may look at itself and change its password.

#include "api/common/body.h"
#include "api/identity/identity_api.h"
#include "api/identity/identity_views.h"

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

}  // namespace

void IdentityApi::register_management(Dispatcher& d) {
  register_groups(d);
  register_iam(d);
  auto token = Access::Token;
  route(d, Verb::get, "/v3/domains", token, &IdentityApi::list_domains);
  route(d, Verb::post, "/v3/domains", token, &IdentityApi::create_domain);
  route(d, Verb::get, "/v3/domains/{id}", token, &IdentityApi::show_domain);
  route(d, Verb::patch, "/v3/domains/{id}", token, &IdentityApi::update_domain);
  route(d, Verb::delete_, "/v3/domains/{id}", token, &IdentityApi::delete_domain);
  route(d, Verb::get, "/v3/projects", token, &IdentityApi::list_projects);
  route(d, Verb::post, "/v3/projects", token, &IdentityApi::create_project);
  route(d, Verb::get, "/v3/projects/{id}", token, &IdentityApi::show_project);
  route(d, Verb::patch, "/v3/projects/{id}", token, &IdentityApi::update_project);
  route(d, Verb::delete_, "/v3/projects/{id}", token, &IdentityApi::delete_project);
  route(d, Verb::get, "/v3/users", token, &IdentityApi::list_users);
  route(d, Verb::post, "/v3/users", token, &IdentityApi::create_user);
  route(d, Verb::get, "/v3/users/{id}", token, &IdentityApi::show_user);
  route(d, Verb::patch, "/v3/users/{id}", token, &IdentityApi::update_user);
  route(d, Verb::delete_, "/v3/users/{id}", token, &IdentityApi::delete_user);
  route(d, Verb::post, "/v3/users/{id}/password", token, &IdentityApi::change_password);
  route(d, Verb::get, "/v3/users/{id}/projects", token, &IdentityApi::user_projects);
  route(d, Verb::get, "/v3/roles", token, &IdentityApi::list_roles);
  route(d, Verb::post, "/v3/roles", token, &IdentityApi::create_role);
  route(d, Verb::get, "/v3/roles/{id}", token, &IdentityApi::show_role);
  route(d, Verb::patch, "/v3/roles/{id}", token, &IdentityApi::update_role);
  route(d, Verb::delete_, "/v3/roles/{id}", token, &IdentityApi::delete_role);
}

IdentityApi::Reply IdentityApi::list_domains(CallPtr call) {
  call->require_admin();
  json::array items;
  for (const model::Domain& domain : co_await directory_.domains()) {
    if (matches(*call, domain.name, call->parameter("domain_id"), domain.enabled))
      items.push_back(domain_view(*call, domain));
  }
  co_return json_reply(200, list_view(*call, "domains", std::move(items)));
}

IdentityApi::Reply IdentityApi::show_domain(CallPtr call) {
  model::Domain domain = co_await directory_.domain(call->path.get("id"));
  if (call->identity->user_domain.id != domain.id) call->require_admin();
  co_return json_reply(200, json::object{{"domain", domain_view(*call, domain)}});
}

IdentityApi::Reply IdentityApi::create_domain(CallPtr call) {
  call->require_admin();
  Body body(*call->request, "domain");
  identity::ProjectSpec spec = read_project(body.fields(), true);
  model::Domain domain = co_await directory_.create_domain(std::move(spec));
  co_return json_reply(201, json::object{{"domain", domain_view(*call, domain)}});
}

IdentityApi::Reply IdentityApi::update_domain(CallPtr call) {
  call->require_admin();
  Body body(*call->request, "domain");
  identity::ProjectSpec spec = read_project(body.fields(), false);
  model::Domain domain = co_await directory_.update_domain(call->path.get("id"), std::move(spec));
  co_return json_reply(200, json::object{{"domain", domain_view(*call, domain)}});
}

IdentityApi::Reply IdentityApi::delete_domain(CallPtr call) {
  call->require_admin();
  co_await directory_.remove_domain(call->path.get("id"));
  co_return empty_reply();
}

IdentityApi::Reply IdentityApi::list_projects(CallPtr call) {
  call->require_admin();
  json::array items;
  for (const model::Project& project : co_await directory_.projects()) {
    if (matches(*call, project.name, project.domain_id, project.enabled)) items.push_back(project_view(*call, project));
  }
  co_return json_reply(200, list_view(*call, "projects", std::move(items)));
}

IdentityApi::Reply IdentityApi::show_project(CallPtr call) {
  std::string id = call->path.get("id");
  bool own = call->identity->project && call->identity->project->id.str() == id;
  if (!own) call->require_admin();
  model::Project project = co_await directory_.project(id);
  co_return json_reply(200, json::object{{"project", project_view(*call, project)}});
}

IdentityApi::Reply IdentityApi::create_project(CallPtr call) {
  call->require_admin();
  Body body(*call->request, "project");
  identity::ProjectSpec spec = read_project(body.fields(), true);
  model::Project project = co_await directory_.create_project(std::move(spec));
  co_return json_reply(201, json::object{{"project", project_view(*call, project)}});
}

IdentityApi::Reply IdentityApi::update_project(CallPtr call) {
  call->require_admin();
  Body body(*call->request, "project");
  identity::ProjectSpec spec = read_project(body.fields(), false);
  model::Project project = co_await directory_.update_project(call->path.get("id"), std::move(spec));
  co_return json_reply(200, json::object{{"project", project_view(*call, project)}});
}

IdentityApi::Reply IdentityApi::delete_project(CallPtr call) {
  call->require_admin();
  co_await directory_.remove_project(call->path.get("id"));
  co_return empty_reply();
}

IdentityApi::Reply IdentityApi::list_users(CallPtr call) {
  call->require_admin();
  json::array items;
  for (const model::User& user : co_await directory_.users()) {
    if (matches(*call, user.name, user.domain_id, user.enabled)) items.push_back(user_view(*call, user));
  }
  co_return json_reply(200, list_view(*call, "users", std::move(items)));
}

IdentityApi::Reply IdentityApi::show_user(CallPtr call) {
  require_self_or_admin(*call, call->path.get("id"));
  model::User user = co_await directory_.user(call->path.get("id"));
  co_return json_reply(200, json::object{{"user", user_view(*call, user)}});
}

IdentityApi::Reply IdentityApi::create_user(CallPtr call) {
  call->require_admin();
  Body body(*call->request, "user");
  identity::UserSpec spec = read_user(body.fields(), true);
  model::User user = co_await directory_.create_user(std::move(spec));
  co_return json_reply(201, json::object{{"user", user_view(*call, user)}});
}

IdentityApi::Reply IdentityApi::update_user(CallPtr call) {
  call->require_admin();
  Body body(*call->request, "user");
  identity::UserSpec spec = read_user(body.fields(), false);
  model::User user = co_await directory_.update_user(call->path.get("id"), std::move(spec));
  co_return json_reply(200, json::object{{"user", user_view(*call, user)}});
}

IdentityApi::Reply IdentityApi::change_password(CallPtr call) {
  require_self_or_admin(*call, call->path.get("id"));
  Body body(*call->request, "user");
  std::string original = body.fields().required_text("original_password", kPassword);
  std::string password = body.fields().required_text("password", kPassword);
  body.fields().finish();
  co_await directory_.change_password(call->path.get("id"), std::move(original), std::move(password),
                                      call->request->peer);
  co_return empty_reply();
}

IdentityApi::Reply IdentityApi::delete_user(CallPtr call) {
  call->require_admin();
  co_await directory_.remove_user(call->path.get("id"));
  co_return empty_reply();
}

IdentityApi::Reply IdentityApi::user_projects(CallPtr call) {
  require_self_or_admin(*call, call->path.get("id"));
  json::array items;
  for (const model::Project& project : co_await directory_.projects_of(UserId(call->path.get("id")))) {
    if (matches(*call, project.name, project.domain_id, project.enabled)) items.push_back(project_view(*call, project));
  }
  co_return json_reply(200, list_view(*call, "projects", std::move(items)));
}

IdentityApi::Reply IdentityApi::list_roles(CallPtr call) {
  call->require_admin();
  json::array items;
  std::string name = call->parameter("name");
  for (const model::Role& role : co_await directory_.roles()) {
    if (name.empty() || role.name == name) items.push_back(role_view(*call, role));
  }
  co_return json_reply(200, list_view(*call, "roles", std::move(items)));
}

IdentityApi::Reply IdentityApi::show_role(CallPtr call) {
  call->require_admin();
  model::Role role = co_await directory_.role(call->path.get("id"));
  co_return json_reply(200, json::object{{"role", role_view(*call, role)}});
}

IdentityApi::Reply IdentityApi::create_role(CallPtr call) {
  call->require_admin();
  Body body(*call->request, "role");
  identity::RoleSpec spec;
  spec.name = body.fields().required_text("name");
  spec.description = body.fields().nullable_text("description");
  for (const char* ignored : {"domain_id", "options"}) body.fields().ignore(ignored);
  body.fields().finish();
  model::Role role = co_await directory_.create_role(std::move(spec));
  co_return json_reply(201, json::object{{"role", role_view(*call, role)}});
}

IdentityApi::Reply IdentityApi::update_role(CallPtr call) {
  call->require_admin();
  Body body(*call->request, "role");
  identity::RoleSpec spec;
  spec.name = body.fields().text("name");
  spec.description = body.fields().nullable_text("description");
  body.fields().ignore("options");
  body.fields().finish();
  model::Role role = co_await directory_.update_role(call->path.get("id"), std::move(spec));
  co_return json_reply(200, json::object{{"role", role_view(*call, role)}});
}

IdentityApi::Reply IdentityApi::delete_role(CallPtr call) {
  call->require_admin();
  co_await directory_.remove_role(call->path.get("id"));
  co_return empty_reply();
}

}  // namespace varve::api::identity_v3
