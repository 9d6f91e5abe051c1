#include "store/identity_tables.h"

#include "store/database.h"

namespace varve::store {

Identities Transaction::identities() {
  return Identities(db_);
}

void Identities::assign(const RoleAssignment& a) {
  if (a.group_id.empty()) {
    run(db_,
        "INSERT INTO role_assignments (user_id, target_kind, target_id, role_id) VALUES (:user, :kind, :target, :role) "
        "ON CONFLICT DO NOTHING",
        a.user_id, a.target_kind, a.target_id, a.role_id);
  } else {
    run(db_,
        "INSERT INTO group_role_assignments (group_id, target_kind, target_id, role_id) VALUES (:group, :kind, "
        ":target, :role) ON CONFLICT DO NOTHING",
        a.group_id, a.target_kind, a.target_id, a.role_id);
  }
}

bool Identities::unassign(const RoleAssignment& a) {
  if (!a.group_id.empty()) {
    return run(db_,
               "DELETE FROM group_role_assignments WHERE group_id = :group AND target_kind = :kind AND target_id = "
               ":target AND role_id = :role",
               a.group_id, a.target_kind, a.target_id, a.role_id) > 0;
  }
  return run(db_,
             "DELETE FROM role_assignments WHERE user_id = :user AND target_kind = :kind AND target_id = :target AND "
             "role_id = :role",
             a.user_id, a.target_kind, a.target_id, a.role_id) > 0;
}

std::vector<RoleAssignment> Identities::assignments() {
  std::vector<RoleAssignment> out = select<RoleAssignment>(db_, "ORDER BY user_id, target_kind, target_id, role_id");
  auto rows = query<std::string, std::string, std::string, std::string>(
      db_,
      "SELECT group_id, target_kind, target_id, role_id FROM group_role_assignments ORDER BY group_id, target_kind, "
      "target_id, role_id");
  for (auto& [group, kind, target, role] : rows) out.push_back({UserId(), kind, target, role, group});
  return out;
}

std::vector<std::string> Identities::role_names(const UserId& user, const std::string& kind,
                                                const std::string& target) {
  std::vector<std::string> names;
  auto rows = query<std::string>(
      db_,
      "SELECT r.name FROM role_assignments a JOIN roles r ON r.id = a.role_id WHERE a.user_id = :user AND "
      "a.target_kind = :kind AND a.target_id = :target "
      "UNION SELECT r.name FROM group_members m JOIN group_role_assignments a ON a.group_id = m.group_id JOIN roles r "
      "ON r.id = a.role_id WHERE m.user_id = :member AND a.target_kind = :kind2 AND a.target_id = :target2 ORDER BY 1",
      user, kind, target, user, kind, target);
  for (auto& [name] : rows) names.push_back(std::move(name));
  return names;
}

std::vector<Project> Identities::projects_of(const UserId& user) {
  return select<Project>(
      db_,
      "WHERE id IN (SELECT target_id FROM role_assignments WHERE user_id = :user AND target_kind = 'project' "
      "UNION SELECT a.target_id FROM group_members m JOIN group_role_assignments a ON a.group_id = m.group_id WHERE "
      "m.user_id = :member AND a.target_kind = 'project') ORDER BY name, id",
      user, user);
}

void Identities::forget_target(const std::string& kind, const std::string& target) {
  run(db_, "DELETE FROM role_assignments WHERE target_kind = :kind AND target_id = :target", kind, target);
  run(db_, "DELETE FROM group_role_assignments WHERE target_kind = :kind AND target_id = :target", kind, target);
}

void Identities::add_member(const std::string& group, const UserId& user) {
  run(db_, "INSERT INTO group_members (user_id, group_id) VALUES (:user, :group) ON CONFLICT DO NOTHING", user, group);
}

bool Identities::remove_member(const std::string& group, const UserId& user) {
  return run(db_, "DELETE FROM group_members WHERE user_id = :user AND group_id = :group", user, group) > 0;
}

bool Identities::is_member(const std::string& group, const UserId& user) {
  return !query<std::int64_t>(db_, "SELECT 1 FROM group_members WHERE user_id = :user AND group_id = :group", user,
                              group)
              .empty();
}

std::vector<User> Identities::members_of(const std::string& group) {
  return select<User>(db_, "WHERE id IN (SELECT user_id FROM group_members WHERE group_id = :group) ORDER BY name, id",
                      group);
}

std::vector<Group> Identities::groups_of(const UserId& user) {
  return select<Group>(db_, "WHERE id IN (SELECT group_id FROM group_members WHERE user_id = :user) ORDER BY name, id",
                       user);
}

std::vector<AccessKey> Identities::access_keys_of(const UserId& user) {
  return select<AccessKey>(db_, "WHERE user_id = :user ORDER BY created_at, id", user);
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
