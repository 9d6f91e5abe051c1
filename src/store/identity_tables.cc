#include "store/identity_tables.h"

namespace varve::store {

std::optional<Domain> Identities::find_domain_by_name(const std::string& name) {
  return select_one<Domain>(db_, "WHERE name = :name", name);
}

std::optional<Role> Identities::find_role_by_name(const std::string& name) {
  return select_one<Role>(db_, "WHERE name = :name", name);
}

void Identities::assign(const RoleAssignment& assignment) {
  run(db_,
      "INSERT INTO role_assignments (user_id, target_kind, target_id, role_id) VALUES (:user, :kind, :target, :role) "
      "ON CONFLICT DO NOTHING",
      assignment.user_id, assignment.target_kind, assignment.target_id, assignment.role_id);
}

bool Identities::unassign(const RoleAssignment& assignment) {
  return run(db_,
             "DELETE FROM role_assignments WHERE user_id = :user AND target_kind = :kind AND target_id = :target AND "
             "role_id = :role",
             assignment.user_id, assignment.target_kind, assignment.target_id, assignment.role_id) > 0;
}

std::vector<RoleAssignment> Identities::assignments() {
  return select<RoleAssignment>(db_, "ORDER BY user_id, target_kind, target_id, role_id");
}

std::vector<std::string> Identities::role_names(const UserId& user, const std::string& kind,
                                                const std::string& target) {
  std::vector<std::string> names;
  auto rows =
      query<std::string>(db_,
                         "SELECT r.name FROM role_assignments a JOIN roles r ON r.id = a.role_id WHERE "
                         "a.user_id = :user AND a.target_kind = :kind AND a.target_id = :target ORDER BY r.name",
                         user, kind, target);
  for (auto& [name] : rows) names.push_back(std::move(name));
  return names;
}

std::vector<Project> Identities::projects_of(const UserId& user) {
  return select<Project>(db_,
                         "WHERE id IN (SELECT target_id FROM role_assignments WHERE user_id = :user AND target_kind = "
                         "'project') ORDER BY name, id",
                         user);
}

void Identities::forget_target(const std::string& kind, const std::string& target) {
  run(db_, "DELETE FROM role_assignments WHERE target_kind = :kind AND target_id = :target", kind, target);
}

std::vector<ApplicationCredential> Identities::credentials_of(const UserId& user) {
  return select<ApplicationCredential>(db_, "WHERE user_id = :user ORDER BY name", user);
}

bool Identities::project_has_volumes(const ProjectId& project) {
  return !query<std::int64_t>(db_, "SELECT 1 FROM volumes WHERE project_id = :project LIMIT 1", project).empty();
}

std::vector<SigningKey> Identities::signing_keys() {
  return select<SigningKey>(db_, "ORDER BY created_at DESC, id");
}

void Identities::remove_signing_key(const std::string& id) {
  run(db_, "DELETE FROM signing_keys WHERE id = :id", id);
}

void Identities::revoke(const std::string& token_id, Timestamp expires_at) {
  run(db_, "INSERT INTO revoked_tokens (id, expires_at) VALUES (:id, :expires) ON CONFLICT DO NOTHING", token_id,
      expires_at);
}

bool Identities::is_revoked(const std::string& token_id) {
  return !query<std::int64_t>(db_, "SELECT 1 FROM revoked_tokens WHERE id = :id", token_id).empty();
}

void Identities::forget_revoked_before(Timestamp time) {
  run(db_, "DELETE FROM revoked_tokens WHERE expires_at < :time", time);
}

}  // namespace varve::store
