// The contract of an identity that can be managed: tokens are issued and people, projects and roles kept here.
// Errors: NotFound and Conflict name the culprit; TooManyRequests slows a guesser down.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "identity/authenticator.h"
#include "model/change.h"

namespace varve::identity {

// By id, or by name in a domain (by id or name; none: the default domain).
struct Reference {
  std::optional<std::string> id;
  std::optional<std::string> name;
  std::optional<std::string> domain_id;
  std::optional<std::string> domain_name;
};

struct ScopeRequest {
  enum class Kind : std::uint8_t { Default, Unscoped, Project, Domain, System };
  Kind kind = Kind::Default;  // Default: the user's default project, else unscoped
  Reference target;
};

struct LoginRequest {
  std::vector<std::string> methods;
  Reference user;
  std::optional<std::string> password;
  std::optional<std::string> token;
  Reference credential;  // application credential: by id, or by name and user
  std::optional<std::string> credential_secret;
  ScopeRequest scope;
  std::string peer;
};

struct Login {
  std::string token;
  std::shared_ptr<const Identity> identity;
};

struct UserSpec {
  std::optional<std::string> name;
  std::optional<std::string> domain_id;
  std::optional<std::string> password;
  std::optional<std::string> description;
  std::optional<std::string> email;
  model::Change<ProjectId> default_project_id;
  std::optional<bool> enabled;
};

struct ProjectSpec {
  std::optional<std::string> name;
  std::optional<std::string> domain_id;
  std::optional<std::string> description;
  std::optional<bool> enabled;
};

struct CredentialSpec {
  std::string name;
  std::optional<std::string> description;
  std::optional<std::string> secret;  // nullopt: made here
  std::vector<std::string> roles;     // names; empty: all that the token has
  bool unrestricted = false;
  std::optional<Timestamp> expires_at;
};

struct NewCredential {
  model::ApplicationCredential credential;
  std::string secret;
};

struct RoleSpec {
  std::optional<std::string> name;
  model::Change<std::string> description;
  std::optional<Policy> policy;  // makes it a custom policy
};

struct GroupSpec {
  std::optional<std::string> name;
  std::optional<std::string> domain_id;
  std::optional<std::string> description;
};

class Directory : public Authenticator {
 public:
  template <class T>
  using Awaitable = boost::asio::awaitable<T>;

  virtual Awaitable<Login> login(LoginRequest request) = 0;
  virtual Awaitable<void> revoke(std::string token) = 0;

  virtual Awaitable<std::vector<model::Domain>> domains() = 0;
  virtual Awaitable<model::Domain> domain(std::string id) = 0;
  virtual Awaitable<model::Domain> create_domain(ProjectSpec spec) = 0;
  virtual Awaitable<model::Domain> update_domain(std::string id, ProjectSpec spec) = 0;
  virtual Awaitable<void> remove_domain(std::string id) = 0;

  virtual Awaitable<std::vector<model::Project>> projects() = 0;
  virtual Awaitable<std::vector<model::Project>> projects_of(UserId user) = 0;
  virtual Awaitable<model::Project> project(std::string id) = 0;
  virtual Awaitable<model::Project> create_project(ProjectSpec spec) = 0;
  virtual Awaitable<model::Project> update_project(std::string id, ProjectSpec spec) = 0;
  virtual Awaitable<void> remove_project(std::string id) = 0;

  virtual Awaitable<std::vector<model::User>> users() = 0;
  virtual Awaitable<model::User> user(std::string id) = 0;
  virtual Awaitable<model::User> create_user(UserSpec spec) = 0;
  virtual Awaitable<model::User> update_user(std::string id, UserSpec spec) = 0;
  virtual Awaitable<void> change_password(std::string id, std::string original, std::string password,
                                          std::string peer) = 0;
  virtual Awaitable<void> remove_user(std::string id) = 0;

  virtual Awaitable<std::vector<model::Role>> roles() = 0;
  virtual Awaitable<model::Role> role(std::string id) = 0;
  virtual Awaitable<model::Role> create_role(RoleSpec spec) = 0;
  virtual Awaitable<model::Role> update_role(std::string id, RoleSpec spec) = 0;
  virtual Awaitable<void> remove_role(std::string id) = 0;
  virtual Awaitable<std::vector<model::RoleAssignment>> assignments() = 0;
  virtual Awaitable<void> assign(model::RoleAssignment assignment) = 0;
  virtual Awaitable<void> unassign(model::RoleAssignment assignment) = 0;

  virtual Awaitable<std::vector<model::Group>> groups() = 0;
  virtual Awaitable<std::vector<model::Group>> groups_of(UserId user) = 0;
  virtual Awaitable<model::Group> group(std::string id) = 0;
  virtual Awaitable<model::Group> create_group(GroupSpec spec) = 0;
  virtual Awaitable<model::Group> update_group(std::string id, GroupSpec spec) = 0;
  virtual Awaitable<void> remove_group(std::string id) = 0;
  virtual Awaitable<std::vector<model::User>> members(std::string group) = 0;
  virtual Awaitable<bool> is_member(std::string group, UserId user) = 0;
  virtual Awaitable<void> add_member(std::string group, UserId user) = 0;
  virtual Awaitable<void> remove_member(std::string group, UserId user) = 0;

  // At most 10 of a user.
  virtual Awaitable<std::vector<model::AccessKey>> access_keys(UserId user) = 0;
  virtual Awaitable<model::AccessKey> access_key(std::string id) = 0;
  virtual Awaitable<model::AccessKey> create_access_key(UserId user, std::string description) = 0;
  virtual Awaitable<model::AccessKey> update_access_key(std::string id, std::optional<bool> active,
                                                        std::optional<std::string> description) = 0;
  virtual Awaitable<void> remove_access_key(std::string id) = 0;

  virtual Awaitable<std::vector<model::ApplicationCredential>> credentials(UserId user) = 0;
  virtual Awaitable<NewCredential> create_credential(std::shared_ptr<const Identity> owner, CredentialSpec spec) = 0;
  virtual Awaitable<void> remove_credential(UserId user, std::string id) = 0;
};

}  // namespace varve::identity
