// The managing half of EmbeddedIdentity: domains, projects, users, roles, application credentials.

#include "base/error.h"
#include "identity/embedded/embedded_identity.h"

namespace varve::identity {

namespace asio = boost::asio;
using model::ApplicationCredential;
using model::Domain;
using model::Project;
using model::Role;
using model::RoleAssignment;
using model::User;

namespace {

void apply(const ProjectSpec& spec, auto& row) {
  row.name = spec.name.value_or(row.name);
  row.description = spec.description.value_or(row.description);
  row.enabled = spec.enabled.value_or(row.enabled);
}

void apply(const RoleSpec& spec, Role& role) {
  if (spec.name) role.name = *spec.name;
  if (spec.description) role.description = *spec.description;
  if (spec.policy) role.policy = encode_policy(*spec.policy);
}

void apply(const UserSpec& spec, User& user) {
  user.name = spec.name.value_or(user.name);
  user.description = spec.description.value_or(user.description);
  if (spec.email) user.email = spec.email;
  if (spec.default_project_id) user.default_project_id = *spec.default_project_id;
  user.enabled = spec.enabled.value_or(user.enabled);
}

bool is_built_in(const Role& role) {
  return role.name == "admin" || role.name == "member" || role.name == "reader";
}

template <InDomain T>
void require_none_in(store::Transaction& tx, const Domain& domain) {
  for (const T& row : tx.identities().all<T>()) {
    if (row.domain_id != domain.id) continue;
    throw Error(ErrorCode::Conflict,
                "Domain " + domain.id + " has " + std::string(kKind<T>) + "s (" + row.name + "); delete them first.");
  }
}

void require_target(store::Transaction& tx, const RoleAssignment& assignment) {
  if (assignment.group_id.empty()) {
    get<User>(tx, assignment.user_id.str());
  } else {
    get<model::Group>(tx, assignment.group_id);
  }
  get<Role>(tx, assignment.role_id);
  if (assignment.target_kind == "project") get<Project>(tx, assignment.target_id);
  if (assignment.target_kind == "domain") get<Domain>(tx, assignment.target_id);
}

}  // namespace

asio::awaitable<Domain> EmbeddedIdentity::create_domain(ProjectSpec spec) {
  Domain made{rng_.hex(16), spec.name.value(), "", true};
  apply(spec, made);
  co_return co_await create(std::move(made));
}

asio::awaitable<Domain> EmbeddedIdentity::update_domain(std::string id, ProjectSpec spec) {
  co_return co_await update<Domain>(id, [&](store::Transaction& tx, Domain& domain) {
    apply(spec, domain);
    require_free_name(tx, domain);
    if (id == kDefaultDomain && spec.enabled == false) {
      throw Error(ErrorCode::Forbidden, "The default domain cannot be disabled.");
    }
  });
}

asio::awaitable<void> EmbeddedIdentity::remove_domain(std::string id) {
  co_await remove<Domain>(id, [](store::Transaction& tx, const Domain& domain) {
    if (domain.enabled)
      throw Error(ErrorCode::Forbidden, "Cannot delete a domain that is enabled, please disable it first.");
    require_none_in<Project>(tx, domain);
    require_none_in<User>(tx, domain);
    require_none_in<model::Group>(tx, domain);
    tx.identities().forget_target("domain", domain.id);
  });
}

asio::awaitable<std::vector<Project>> EmbeddedIdentity::projects_of(UserId user) {
  co_return co_await db_.read([&](store::Transaction& tx) { return tx.identities().projects_of(user); });
}

asio::awaitable<Project> EmbeddedIdentity::create_project(ProjectSpec spec) {
  Project made{ProjectId(rng_.hex(16)), spec.domain_id.value_or(kDefaultDomain), spec.name.value(), "", true};
  apply(spec, made);
  co_return co_await create(std::move(made));
}

asio::awaitable<Project> EmbeddedIdentity::update_project(std::string id, ProjectSpec spec) {
  co_return co_await update<Project>(id, [&](store::Transaction& tx, Project& project) {
    apply(spec, project);
    require_free_name(tx, project);
  });
}

asio::awaitable<void> EmbeddedIdentity::remove_project(std::string id) {
  co_await remove<Project>(id, [](store::Transaction& tx, const Project& project) {
    // Bytes must never belong to nobody.
    if (tx.identities().project_has_volumes(project.id)) {
      throw Error(ErrorCode::Conflict, "Project " + project.id.str() + " has volumes; delete them first.");
    }
    tx.identities().forget_target("project", project.id.str());
    tx.quotas().clear(project.id);
  });
}

asio::awaitable<User> EmbeddedIdentity::create_user(UserSpec spec) {
  User made;
  made.id = UserId(rng_.hex(16));
  made.domain_id = spec.domain_id.value_or(kDefaultDomain);
  made.name = spec.name.value();
  apply(spec, made);
  // Without a password nobody can log in by one.
  made.password_hash = co_await hash(spec.password.value_or(rng_.token(32)));
  made.password_changed_at = clock_.now();
  co_return co_await create(std::move(made));
}

asio::awaitable<User> EmbeddedIdentity::update_user(std::string id, UserSpec spec) {
  std::optional<std::string> password_hash;
  if (spec.password) password_hash = co_await hash(*spec.password);
  co_return co_await update<User>(id, [&](store::Transaction& tx, User& user) {
    apply(spec, user);
    require_free_name(tx, user);
    if (password_hash) {
      user.password_hash = *password_hash;
      user.password_changed_at = clock_.now();
    }
  });
}

asio::awaitable<void> EmbeddedIdentity::change_password(std::string id, std::string original, std::string password,
                                                        std::string peer) {
  Reference who;
  who.id = id;
  co_await check_password(who, std::move(original), std::move(peer));
  UserSpec spec;
  spec.password = std::move(password);
  co_await update_user(id, std::move(spec));
}

asio::awaitable<Role> EmbeddedIdentity::create_role(RoleSpec spec) {
  Role made{rng_.hex(16), {}};
  apply(spec, made);
  co_return co_await create(std::move(made));
}

asio::awaitable<Role> EmbeddedIdentity::update_role(std::string id, RoleSpec spec) {
  co_return co_await update<Role>(id, [&](store::Transaction& tx, Role& role) {
    if (is_built_in(role)) throw Error(ErrorCode::Forbidden, "The role " + role.name + " cannot be changed.");
    apply(spec, role);
    require_free_name(tx, role);
  });
}

asio::awaitable<void> EmbeddedIdentity::remove_role(std::string id) {
  co_await remove<Role>(id, [](store::Transaction&, const Role& role) {
    if (role.name == "admin") throw Error(ErrorCode::Forbidden, "The role admin cannot be deleted.");
  });
}

asio::awaitable<std::vector<RoleAssignment>> EmbeddedIdentity::assignments() {
  co_return co_await db_.read([&](store::Transaction& tx) { return tx.identities().assignments(); });
}

asio::awaitable<void> EmbeddedIdentity::assign(RoleAssignment assignment) {
  co_await change([&](store::Transaction& tx) {
    require_target(tx, assignment);
    tx.identities().assign(assignment);
  });
}

asio::awaitable<void> EmbeddedIdentity::unassign(RoleAssignment assignment) {
  co_await change([&](store::Transaction& tx) {
    require_target(tx, assignment);
    if (!tx.identities().unassign(assignment)) not_found("role assignment with role", assignment.role_id);
  });
}

asio::awaitable<std::vector<ApplicationCredential>> EmbeddedIdentity::credentials(UserId user) {
  co_return co_await db_.read([&](store::Transaction& tx) { return tx.identities().credentials_of(user); });
}

asio::awaitable<NewCredential> EmbeddedIdentity::create_credential(std::shared_ptr<const Identity> owner,
                                                                   CredentialSpec spec) {
  if (!owner->project)
    throw Error(ErrorCode::Forbidden, "An application credential needs a token with a project scope.");
  NewCredential made;
  made.secret = spec.secret.value_or(rng_.token(32));
  ApplicationCredential& credential = made.credential;
  credential.id = rng_.hex(16);
  credential.user_id = owner->user.id;
  credential.project_id = owner->project->id;
  credential.name = spec.name;
  credential.description = spec.description;
  credential.unrestricted = spec.unrestricted;
  credential.expires_at = spec.expires_at;
  if (spec.roles.empty()) {
    for (const Role& role : owner->roles) spec.roles.push_back(role.name);
  }
  for (const std::string& name : spec.roles) {
    if (!owner->has_role(name)) throw Error(ErrorCode::InvalidInput, "The token does not have the role " + name + ".");
    credential.roles.push_back(name);
  }
  credential.secret_hash = co_await hash(made.secret);
  co_await change([&](store::Transaction& tx) {
    for (const auto& other : tx.identities().credentials_of(credential.user_id)) {
      if (other.name == credential.name) taken("application_credential", credential.name);
    }
    tx.identities().insert(credential);
  });
  co_return made;
}

asio::awaitable<void> EmbeddedIdentity::remove_credential(UserId user, std::string id) {
  co_await remove<ApplicationCredential>(id, [&](store::Transaction&, const ApplicationCredential& credential) {
    if (credential.user_id != user) not_found(kKind<ApplicationCredential>, id);
  });
}

}  // namespace varve::identity
