// The tables of the embedded identity: who there is, what roles they have where, what signs their tokens.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "model/identity.h"
#include "store/mapping.h"
#include "store/sql.h"

namespace varve::store {

using model::AccessKey;
using model::ApplicationCredential;
using model::Domain;
using model::Group;
using model::Project;
using model::Role;
using model::RoleAssignment;
using model::SigningKey;
using model::User;

template <>
struct Table<Domain> {
  static constexpr std::string_view name = "domains";
  static void columns(auto& d, auto&& f) {
    f("id", d.id), f("name", d.name), f("description", d.description), f("enabled", d.enabled);
  }
};

template <>
struct Table<Project> {
  static constexpr std::string_view name = "projects";
  static void columns(auto& p, auto&& f) {
    f("id", p.id), f("domain_id", p.domain_id), f("name", p.name), f("description", p.description);
    f("enabled", p.enabled);
  }
};

template <>
struct Table<User> {
  static constexpr std::string_view name = "users";
  static void columns(auto& u, auto&& f) {
    f("id", u.id), f("domain_id", u.domain_id), f("name", u.name), f("description", u.description), f("email", u.email);
    f("default_project_id", u.default_project_id), f("enabled", u.enabled), f("password_hash", u.password_hash);
    f("password_changed_at", u.password_changed_at);
  }
};

template <>
struct Table<Role> {
  static constexpr std::string_view name = "roles";
  static void columns(auto& r, auto&& f) {
    f("id", r.id), f("name", r.name), f("description", r.description), f("policy", r.policy);
  }
};

template <>
struct Table<RoleAssignment> {
  static constexpr std::string_view name = "role_assignments";
  static void columns(auto& a, auto&& f) {
    f("user_id", a.user_id), f("target_kind", a.target_kind), f("target_id", a.target_id), f("role_id", a.role_id);
  }
};

template <>
struct Table<Group> {
  static constexpr std::string_view name = "user_groups";
  static void columns(auto& g, auto&& f) {
    f("id", g.id), f("domain_id", g.domain_id), f("name", g.name), f("description", g.description);
  }
};

template <>
struct Table<AccessKey> {
  static constexpr std::string_view name = "access_keys";
  static void columns(auto& k, auto&& f) {
    f("id", k.id), f("user_id", k.user_id), f("secret", k.secret), f("description", k.description);
    f("active", k.active), f("created_at", k.created_at);
  }
};

template <>
struct Table<ApplicationCredential> {
  static constexpr std::string_view name = "application_credentials";
  static void columns(auto& c, auto&& f) {
    f("id", c.id), f("user_id", c.user_id), f("project_id", c.project_id), f("name", c.name);
    f("description", c.description), f("secret_hash", c.secret_hash), f("roles", c.roles);
    f("unrestricted", c.unrestricted), f("expires_at", c.expires_at);
  }
};

template <>
struct Table<SigningKey> {
  static constexpr std::string_view name = "signing_keys";
  static void columns(auto& k, auto&& f) { f("id", k.id), f("secret", k.secret), f("created_at", k.created_at); }
};

class Identities {
 public:
  explicit Identities(Connection& db) : db_(db) {}

  template <class T>
  void insert(const T& row) {
    store::insert(db_, row);
  }
  template <class T>
  void update(const T& row) {
    store::update(db_, row);
  }
  template <class T>
  std::vector<T> all() {
    return select<T>(db_, "ORDER BY name, id");
  }
  template <class T>
  std::optional<T> find(const std::string& id) {
    return select_one<T>(db_, "WHERE id = :id", id);
  }
  template <class T>
  std::optional<T> find_by_name(const std::string& domain_id, const std::string& name) {
    return select_one<T>(db_, "WHERE domain_id = :domain AND name = :name", domain_id, name);
  }
  // Of what stands in no domain.
  template <class T>
    requires(!requires(T row) { row.domain_id; })
  std::optional<T> find_by_name(const std::string& name) {
    return select_one<T>(db_, "WHERE name = :name", name);
  }
  template <class T>
  void remove(const std::string& id) {
    run(db_, "DELETE FROM " + std::string(Table<T>::name) + " WHERE id = :id", id);
  }

  void assign(const RoleAssignment& assignment);  // nothing happens if it is there
  bool unassign(const RoleAssignment& assignment);
  std::vector<RoleAssignment> assignments();
  // Those of the user's groups too.
  std::vector<std::string> role_names(const UserId& user, const std::string& kind, const std::string& target);
  std::vector<Project> projects_of(const UserId& user);
  void forget_target(const std::string& kind, const std::string& target);

  void add_member(const std::string& group, const UserId& user);
  bool remove_member(const std::string& group, const UserId& user);
  bool is_member(const std::string& group, const UserId& user);
  std::vector<User> members_of(const std::string& group);
  std::vector<Group> groups_of(const UserId& user);

  std::vector<ApplicationCredential> credentials_of(const UserId& user);
  std::vector<AccessKey> access_keys_of(const UserId& user);  // oldest first
  bool project_has_volumes(const ProjectId& project);

  std::vector<SigningKey> signing_keys();  // newest first
  void remove_signing_key(const std::string& id);
  void revoke(const std::string& token_id, Timestamp expires_at);
  bool is_revoked(const std::string& token_id);
  void forget_revoked_before(Timestamp time);

 private:
  Connection& db_;
};

}  // namespace varve::store
