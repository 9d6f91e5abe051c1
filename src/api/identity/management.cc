// Domains, projects, users and roles: administrators change them; a user may look at itself and change its password.

#include "api/identity/resources.h"

namespace varve::api::identity_v3 {

using http::Verb;

namespace {

constexpr std::size_t kPassword = 4096;
constexpr std::size_t kDescription = 1024;

identity::ProjectSpec read_project(Fields& fields, bool all) {
  identity::ProjectSpec spec;
  spec.name = all ? fields.required_text("name", 64) : fields.text("name", 64);
  spec.domain_id = fields.text("domain_id");
  spec.description = fields.text("description", kDescription);
  spec.enabled = fields.boolean("enabled");
  for (const char* ignored : {"parent_id", "is_domain", "tags", "options"}) fields.ignore(ignored);
  fields.finish();
  return spec;
}

identity::UserSpec read_user(Fields& fields, bool all) {
  identity::UserSpec spec;
  spec.name = all ? fields.required_text("name") : fields.text("name");
  spec.domain_id = fields.text("domain_id");
  spec.password = fields.text("password", kPassword);
  spec.description = fields.text("description", kDescription);
  spec.email = fields.text("email");
  if (auto project = fields.nullable_text("default_project_id")) {
    spec.default_project_id.emplace();
    if (*project) spec.default_project_id->emplace(**project);
  }
  spec.enabled = fields.boolean("enabled");
  for (const char* ignored : {"options", "tenantId", "federated"}) fields.ignore(ignored);
  fields.finish();
  return spec;
}

identity::RoleSpec read_role(Fields& fields, bool all) {
  identity::RoleSpec spec;
  spec.name = all ? fields.required_text("name") : fields.text("name");
  spec.description = fields.nullable_text("description");
  if (all) fields.ignore("domain_id");
  fields.ignore("options");
  fields.finish();
  return spec;
}

Reply show_domain(Context& c, CallPtr call) {
  model::Domain domain = co_await c.directory.domain(call->path.get("id"));
  if (call->identity->user_domain.id != domain.id) call->require_admin();
  co_return one_reply(200, *call, domain);
}

Reply show_project(Context& c, CallPtr call) {
  std::string id = call->path.get("id");
  bool own = call->identity->project && call->identity->project->id.str() == id;
  if (!own) call->require_admin();
  model::Project project = co_await c.directory.project(id);
  co_return one_reply(200, *call, project);
}

Reply show_user(Context& c, CallPtr call) {
  require_self_or_admin(*call, call->path.get("id"));
  model::User user = co_await c.directory.user(call->path.get("id"));
  co_return one_reply(200, *call, user);
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

Reply user_projects(Context& c, CallPtr call) {
  require_self_or_admin(*call, call->path.get("id"));
  model::User user = co_await c.directory.user(call->path.get("id"));
  std::vector<model::Project> projects = co_await c.directory.projects_of(user.id);
  co_return list_reply(*call, projects, [&](const model::Project& row) { return matches(*call, row); });
}

constexpr Row<Context> kRows[] = {
    {Verb::get, "/v3/domains", "admin", list<&Directory::domains>},
    {Verb::post, "/v3/domains", "admin", create<&Directory::create_domain, read_project>},
    {Verb::get, "/v3/domains/{id}", "token", show_domain},
    {Verb::patch, "/v3/domains/{id}", "admin", update<&Directory::update_domain, read_project>},
    {Verb::delete_, "/v3/domains/{id}", "admin", remove<&Directory::remove_domain>},
    {Verb::get, "/v3/projects", "admin", list<&Directory::projects>},
    {Verb::post, "/v3/projects", "admin", create<&Directory::create_project, read_project>},
    {Verb::get, "/v3/projects/{id}", "token", show_project},
    {Verb::patch, "/v3/projects/{id}", "admin", update<&Directory::update_project, read_project>},
    {Verb::delete_, "/v3/projects/{id}", "admin", remove<&Directory::remove_project>},
    {Verb::get, "/v3/users", "admin", list<&Directory::users>},
    {Verb::post, "/v3/users", "admin", create<&Directory::create_user, read_user>},
    {Verb::get, "/v3/users/{id}", "token", show_user},
    {Verb::patch, "/v3/users/{id}", "admin", update<&Directory::update_user, read_user>},
    {Verb::delete_, "/v3/users/{id}", "admin", remove<&Directory::remove_user>},
    {Verb::post, "/v3/users/{id}/password", "token", change_password},
    {Verb::get, "/v3/users/{id}/projects", "token", user_projects},
    {Verb::get, "/v3/roles", "admin", list<&Directory::roles>},
    {Verb::post, "/v3/roles", "admin", create<&Directory::create_role, read_role>},
    {Verb::get, "/v3/roles/{id}", "admin", show<&Directory::role>},
    {Verb::patch, "/v3/roles/{id}", "admin", update<&Directory::update_role, read_role>},
    {Verb::delete_, "/v3/roles/{id}", "admin", remove<&Directory::remove_role>},
};

}  // namespace

Rows management_rows() {
  return kRows;
}

}  // namespace varve::api::identity_v3
