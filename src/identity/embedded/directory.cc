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

constexpr char kDefaultDomain[] = "default";

[[noreturn]] void not_found(std::string_view kind, std::string_view id) {
  throw Error(ErrorCode::NotFound, "Could not find " + std::string(kind) + ": " + std::string(id) + ".");
}

[[noreturn]] void taken(std::string_view kind, std::string_view name) {
  throw Error(ErrorCode::Conflict, "Conflict occurred attempting to store " + std::string(kind) +
                                       " - Duplicate entry found with name " + std::string(name) + ".");
}

template <class T>
T get(store::Transaction& tx, std::string_view kind, const std::string& id) {
  std::optional<T> row = tx.identities().find<T>(id);
  if (!row) not_found(kind, id);
  return std::move(*row);
}

template <class T>
void require_free(store::Transaction& tx, std::string_view kind, const std::string& domain, const std::string& name,
                  const std::string& own_id) {
  std::optional<T> other = tx.identities().find_by_name<T>(domain, name);
  if (other && other->id.str() != own_id) taken(kind, name);
}

void require_target(store::Transaction& tx, const RoleAssignment& assignment) {
  if (assignment.group_id.empty()) {
    get<User>(tx, "user", assignment.user_id.str());
  } else {
    get<model::Group>(tx, "group", assignment.group_id);
  }
  get<Role>(tx, "role", assignment.role_id);
  if (assignment.target_kind == "project") get<Project>(tx, "project", assignment.target_id);
  if (assignment.target_kind == "domain") get<Domain>(tx, "domain", assignment.target_id);
}

}  // namespace

asio::awaitable<std::vector<Domain>> EmbeddedIdentity::domains() {
  co_return co_await db_.read([&](store::Transaction& tx) { return tx.identities().all<Domain>(); });
}

asio::awaitable<Domain> EmbeddedIdentity::domain(std::string id) {
  co_return co_await db_.read([&](store::Transaction& tx) { return get<Domain>(tx, "domain", id); });
}

asio::awaitable<Domain> EmbeddedIdentity::create_domain(ProjectSpec spec) {
  Domain made{rng_.hex(16), spec.name.value(), spec.description.value_or(""), spec.enabled.value_or(true)};
  co_await change([&](store::Transaction& tx) {
    if (tx.identities().find_domain_by_name(made.name)) taken("domain", made.name);
    tx.identities().insert(made);
  });
  co_return made;
}

asio::awaitable<Domain> EmbeddedIdentity::update_domain(std::string id, ProjectSpec spec) {
  co_return co_await change([&](store::Transaction& tx) {
    Domain changed = get<Domain>(tx, "domain", id);
    auto other = spec.name ? tx.identities().find_domain_by_name(*spec.name) : std::nullopt;
    if (other && other->id != id) taken("domain", *spec.name);
    if (id == kDefaultDomain && spec.enabled == false) {
      throw Error(ErrorCode::Forbidden, "The default domain cannot be disabled.");
    }
    changed.name = spec.name.value_or(changed.name);
    changed.description = spec.description.value_or(changed.description);
    changed.enabled = spec.enabled.value_or(changed.enabled);
    tx.identities().update(changed);
    return changed;
  });
}

asio::awaitable<void> EmbeddedIdentity::remove_domain(std::string id) {
  co_await change([&](store::Transaction& tx) {
    Domain gone = get<Domain>(tx, "domain", id);
    if (gone.enabled)
      throw Error(ErrorCode::Forbidden, "Cannot delete a domain that is enabled, please disable it first.");
    for (const Project& project : tx.identities().all<Project>()) {
      if (project.domain_id == id) {
        throw Error(ErrorCode::Conflict, "Domain " + id + " has projects (" + project.name + "); delete them first.");
      }
    }
    for (const User& user : tx.identities().all<User>()) {
      if (user.domain_id == id) {
        throw Error(ErrorCode::Conflict, "Domain " + id + " has users (" + user.name + "); delete them first.");
      }
    }
    tx.identities().forget_target("domain", id);
    tx.identities().remove<Domain>(id);
  });
}

asio::awaitable<std::vector<Project>> EmbeddedIdentity::projects() {
  co_return co_await db_.read([&](store::Transaction& tx) { return tx.identities().all<Project>(); });
}

asio::awaitable<std::vector<Project>> EmbeddedIdentity::projects_of(UserId user) {
  co_return co_await db_.read([&](store::Transaction& tx) { return tx.identities().projects_of(user); });
}

asio::awaitable<Project> EmbeddedIdentity::project(std::string id) {
  co_return co_await db_.read([&](store::Transaction& tx) { return get<Project>(tx, "project", id); });
}

asio::awaitable<Project> EmbeddedIdentity::create_project(ProjectSpec spec) {
  Project made{ProjectId(rng_.hex(16)), spec.domain_id.value_or(kDefaultDomain), spec.name.value(),
               spec.description.value_or(""), spec.enabled.value_or(true)};
  co_await change([&](store::Transaction& tx) {
    get<Domain>(tx, "domain", made.domain_id);
    require_free<Project>(tx, "project", made.domain_id, made.name, made.id.str());
    tx.identities().insert(made);
  });
  co_return made;
}

asio::awaitable<Project> EmbeddedIdentity::update_project(std::string id, ProjectSpec spec) {
  co_return co_await change([&](store::Transaction& tx) {
    Project changed = get<Project>(tx, "project", id);
    if (spec.name) require_free<Project>(tx, "project", changed.domain_id, *spec.name, id);
    changed.name = spec.name.value_or(changed.name);
    changed.description = spec.description.value_or(changed.description);
    changed.enabled = spec.enabled.value_or(changed.enabled);
    tx.identities().update(changed);
    return changed;
  });
}

asio::awaitable<void> EmbeddedIdentity::remove_project(std::string id) {
  co_await change([&](store::Transaction& tx) {
    get<Project>(tx, "project", id);
    // Bytes must never belong to nobody.
    if (tx.identities().project_has_volumes(ProjectId(id))) {
      throw Error(ErrorCode::Conflict, "Project " + id + " has volumes; delete them first.");
    }
    tx.identities().forget_target("project", id);
    tx.quotas().clear(ProjectId(id));
    tx.identities().remove<Project>(id);
  });
}

asio::awaitable<std::vector<User>> EmbeddedIdentity::users() {
  co_return co_await db_.read([&](store::Transaction& tx) { return tx.identities().all<User>(); });
}

asio::awaitable<User> EmbeddedIdentity::user(std::string id) {
  co_return co_await db_.read([&](store::Transaction& tx) { return get<User>(tx, "user", id); });
}

asio::awaitable<User> EmbeddedIdentity::create_user(UserSpec spec) {
  User made;
  made.id = UserId(rng_.hex(16));
  made.domain_id = spec.domain_id.value_or(kDefaultDomain);
  made.name = spec.name.value();
  made.description = spec.description.value_or("");
  made.email = spec.email;
  if (spec.default_project_id) made.default_project_id = *spec.default_project_id;
  made.enabled = spec.enabled.value_or(true);
  // Without a password nobody can log in by one.
  made.password_hash = co_await hash(spec.password.value_or(rng_.token(32)));
  made.password_changed_at = clock_.now();
  co_await change([&](store::Transaction& tx) {
    get<Domain>(tx, "domain", made.domain_id);
    require_free<User>(tx, "user", made.domain_id, made.name, made.id.str());
    tx.identities().insert(made);
  });
  co_return made;
}

asio::awaitable<User> EmbeddedIdentity::update_user(std::string id, UserSpec spec) {
  std::optional<std::string> password_hash;
  if (spec.password) password_hash = co_await hash(*spec.password);
  co_return co_await change([&](store::Transaction& tx) {
    User changed = get<User>(tx, "user", id);
    if (spec.name) require_free<User>(tx, "user", changed.domain_id, *spec.name, id);
    changed.name = spec.name.value_or(changed.name);
    changed.description = spec.description.value_or(changed.description);
    if (spec.email) changed.email = spec.email;
    if (spec.default_project_id) changed.default_project_id = *spec.default_project_id;
    changed.enabled = spec.enabled.value_or(changed.enabled);
    if (password_hash) {
      changed.password_hash = *password_hash;
      changed.password_changed_at = clock_.now();
    }
    tx.identities().update(changed);
    return changed;
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

asio::awaitable<void> EmbeddedIdentity::remove_user(std::string id) {
  co_await change([&](store::Transaction& tx) {
    get<User>(tx, "user", id);
    tx.identities().remove<User>(id);
  });
}

asio::awaitable<std::vector<Role>> EmbeddedIdentity::roles() {
  co_return co_await db_.read([&](store::Transaction& tx) { return tx.identities().all<Role>(); });
}

asio::awaitable<Role> EmbeddedIdentity::role(std::string id) {
  co_return co_await db_.read([&](store::Transaction& tx) { return get<Role>(tx, "role", id); });
}

namespace {

void apply(const RoleSpec& spec, Role& role) {
  if (spec.name) role.name = *spec.name;
  if (spec.description) role.description = *spec.description;
  if (spec.policy) role.policy = encode_policy(*spec.policy);
}

bool is_built_in(const Role& role) {
  return role.name == "admin" || role.name == "member" || role.name == "reader";
}

}  // namespace

asio::awaitable<Role> EmbeddedIdentity::create_role(RoleSpec spec) {
  Role made{rng_.hex(16), {}};
  apply(spec, made);
  co_await change([&](store::Transaction& tx) {
    if (tx.identities().find_role_by_name(made.name)) taken("role", made.name);
    tx.identities().insert(made);
  });
  co_return made;
}

asio::awaitable<Role> EmbeddedIdentity::update_role(std::string id, RoleSpec spec) {
  co_return co_await change([&](store::Transaction& tx) {
    Role changed = get<Role>(tx, "role", id);
    if (is_built_in(changed)) throw Error(ErrorCode::Forbidden, "The role " + changed.name + " cannot be changed.");
    apply(spec, changed);
    auto other = tx.identities().find_role_by_name(changed.name);
    if (other && other->id != id) taken("role", changed.name);
    tx.identities().update(changed);
    return changed;
  });
}

asio::awaitable<void> EmbeddedIdentity::remove_role(std::string id) {
  co_await change([&](store::Transaction& tx) {
    Role gone = get<Role>(tx, "role", id);
    if (gone.name == "admin") throw Error(ErrorCode::Forbidden, "The role admin cannot be deleted.");
    tx.identities().remove<Role>(id);
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
    credential.roles += (credential.roles.empty() ? "" : ",") + name;
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
  co_await change([&](store::Transaction& tx) {
    ApplicationCredential gone = get<ApplicationCredential>(tx, "application credential", id);
    if (gone.user_id != user) not_found("application credential", id);
    tx.identities().remove<ApplicationCredential>(id);
  });
}

}  // namespace varve::identity
