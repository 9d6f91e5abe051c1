#include "identity/embedded/embedded_identity.h"

#include <algorithm>

#include "base/error.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/text.h"
#include "identity/embedded/passwords.h"

namespace varve::identity {

namespace asio = boost::asio;
using model::ApplicationCredential;
using model::Project;
using model::Role;
using model::SigningKey;
using model::User;

namespace {

constexpr std::size_t kMaxCached = 10000;
constexpr std::size_t kMaxToken = 4096;

[[noreturn]] void unauthorized() {
  throw Error(ErrorCode::Unauthorized, "The request you have made requires authentication.");
}

std::string domain_of(store::Transaction& tx, const Reference& reference) {
  if (reference.domain_id) return *reference.domain_id;
  if (!reference.domain_name) return kDefaultDomain;
  std::optional<model::Domain> domain = tx.identities().find_by_name<model::Domain>(*reference.domain_name);
  if (!domain) unauthorized();
  return domain->id;
}

template <class T>
std::optional<T> find(store::Transaction& tx, const Reference& reference) {
  if (reference.id) return tx.identities().find<T>(*reference.id);
  if (!reference.name) return std::nullopt;
  return tx.identities().find_by_name<T>(domain_of(tx, reference), *reference.name);
}

// admin implies member, member implies reader.
std::vector<Role> with_implied(store::Transaction& tx, const std::vector<std::string>& names) {
  std::vector<Role> roles;
  auto add = [&](const std::string& name) {
    for (const Role& role : roles) {
      if (role.name == name) return;
    }
    if (auto role = tx.identities().find_by_name<Role>(name)) roles.push_back(*role);
  };
  for (const std::string& name : names) {
    add(name);
    if (name == "admin") add("member");
    if (name == "admin" || name == "member") add("reader");
  }
  return roles;
}

bool somebody_can_log_in(store::Transaction& tx) {
  std::vector<User> users = tx.identities().all<User>();
  return std::ranges::any_of(users, [](const User& user) { return !user.password_hash.empty(); });
}

}  // namespace

void EmbeddedIdentity::make_administrator(store::Transaction& tx, const std::string& password_hash) {
  store::Identities identities = tx.identities();
  if (!identities.find<model::Domain>(kDefaultDomain)) {
    identities.insert(model::Domain{kDefaultDomain, "Default", "The default domain", true});
  }
  for (const char* name : {"admin", "member", "reader", "service"}) {
    if (!identities.find_by_name<Role>(name)) identities.insert(Role{rng_.hex(16), name});
  }
  std::optional<Project> project = identities.find_by_name<Project>(kDefaultDomain, "admin");
  if (!project) {
    project = Project{ProjectId(rng_.hex(16)), kDefaultDomain, "admin", "The first project", true};
    identities.insert(*project);
  }
  std::optional<User> user = identities.find_by_name<User>(kDefaultDomain, "admin");
  bool known = user.has_value();
  if (!known) {
    user.emplace();
    user->id = UserId(rng_.hex(16));
    user->domain_id = kDefaultDomain;
    user->name = "admin";
  }
  user->enabled = true;
  user->default_project_id = project->id;
  user->password_hash = password_hash;
  user->password_changed_at = clock_.now();
  known ? identities.update(*user) : identities.insert(*user);
  std::string admin = identities.find_by_name<Role>("admin")->id;
  identities.assign({user->id, "project", project->id.str(), admin});
  identities.assign({user->id, "domain", kDefaultDomain, admin});
  identities.assign({user->id, "system", "all", admin});
}

EmbeddedIdentity::EmbeddedIdentity(store::Database& db, Clock& clock, Rng& rng, Offload& calls, EmbeddedConfig config)
    : db_(db),
      clock_(clock),
      rng_(rng),
      calls_(calls),
      config_(config),
      guard_(clock),
      decoy_hash_(hash_password(rng.token(16), rng)) {}

void EmbeddedIdentity::bootstrap(const std::function<void(const std::string& password)>& hand_out) {
  bool wanted = db_.read_blocking([&](store::Transaction& tx) { return !somebody_can_log_in(tx); });
  if (wanted) {
    std::string password = rng_.token(18);
    std::string password_hash = hash_password(password, rng_);
    hand_out(password);
    FAILPOINT("start.admin.after_hand_out");
    db_.write_blocking([&](store::Transaction& tx) { make_administrator(tx, password_hash); });
  }
  rotate_keys();
}

void EmbeddedIdentity::rotate_keys() {
  db_.write_blocking([&](store::Transaction& tx) {
    store::Identities identities = tx.identities();
    std::vector<SigningKey> present = identities.signing_keys();
    Timestamp now = clock_.now();
    if (present.empty() || present.front().created_at + config_.key_rotation < now) {
      identities.insert(SigningKey{rng_.hex(8), rng_.hex(32), now});
    }
    // A key signs until the next one comes; its last token lives token_lifetime longer.
    for (std::size_t i = 1; i < present.size(); ++i) {
      if (present[i - 1].created_at + config_.token_lifetime < now) identities.remove_signing_key(present[i].id);
    }
    identities.forget_revoked_before(now);
  });
  ++epoch_;
}

std::vector<SigningKey> EmbeddedIdentity::keys() {
  std::uint64_t epoch = epoch_;
  {
    MutexLock lock(cache_mutex_);
    if (keys_epoch_ == epoch) return keys_;
  }
  std::vector<SigningKey> fresh =
      db_.read_blocking([](store::Transaction& tx) { return tx.identities().signing_keys(); });
  MutexLock lock(cache_mutex_);
  keys_ = fresh;
  keys_epoch_ = epoch;
  return fresh;
}

asio::awaitable<std::shared_ptr<const Identity>> EmbeddedIdentity::authenticate(std::string token, std::string) {
  if (token.empty() || token.size() > kMaxToken) unauthorized();
  if (std::shared_ptr<const Identity> known = cached(token)) co_return known;
  std::uint64_t epoch = epoch_;
  std::optional<TokenClaims> claims = verify_token(token, keys());
  if (!claims || claims->expires_at <= clock_.now()) unauthorized();
  std::shared_ptr<const Identity> identity =
      co_await db_.read([&](store::Transaction& tx) { return resolve(tx, *claims); });
  MutexLock lock(cache_mutex_);
  if (cache_.size() >= kMaxCached) cache_.clear();
  cache_[token] = {identity, epoch};
  co_return identity;
}

std::shared_ptr<const Identity> EmbeddedIdentity::cached(const std::string& token) {
  MutexLock lock(cache_mutex_);
  auto found = cache_.find(token);
  if (found == cache_.end() || found->second.epoch != epoch_) return nullptr;
  if (found->second.identity->expires_at > clock_.now()) return found->second.identity;
  cache_.erase(found);
  return nullptr;
}

std::shared_ptr<const Identity> EmbeddedIdentity::resolve(store::Transaction& tx, const TokenClaims& claims) {
  store::Identities identities = tx.identities();
  if (identities.is_revoked(claims.id)) unauthorized();
  auto identity = std::make_shared<Identity>();
  std::optional<User> user = identities.find<User>(claims.user_id);
  if (!user || !user->enabled || user->password_changed_at > claims.issued_at) unauthorized();
  std::optional<model::Domain> user_domain = identities.find<model::Domain>(user->domain_id);
  if (!user_domain || !user_domain->enabled) unauthorized();
  identity->user_domain = *user_domain;

  std::vector<std::string> names;
  if (!claims.project_id.empty()) {
    identity->project = identities.find<Project>(claims.project_id);
    if (!identity->project || !identity->project->enabled) unauthorized();
    auto domain = identities.find<model::Domain>(identity->project->domain_id);
    if (!domain || !domain->enabled) unauthorized();
    identity->project_domain = *domain;
    names = identities.role_names(user->id, "project", claims.project_id);
  } else if (!claims.domain_id.empty()) {
    identity->domain = identities.find<model::Domain>(claims.domain_id);
    if (!identity->domain || !identity->domain->enabled) unauthorized();
    names = identities.role_names(user->id, "domain", claims.domain_id);
  } else if (claims.system) {
    identity->system = true;
    names = identities.role_names(user->id, "system", "all");
  }
  const std::vector<std::string> all_names = names;
  if (!claims.application_credential_id.empty()) {
    auto credential = identities.find<ApplicationCredential>(claims.application_credential_id);
    if (!credential || (credential->expires_at && *credential->expires_at <= clock_.now())) unauthorized();
    std::vector<std::string> granted = credential->roles;
    std::erase_if(granted, [&](const std::string& name) {
      auto implied = with_implied(tx, names);
      return std::none_of(implied.begin(), implied.end(), [&](const Role& role) { return role.name == name; });
    });
    names = granted;
    identity->application_credential_id = credential->id;
    identity->may_manage_credentials = credential->unrestricted;
  }
  identity->roles = with_implied(tx, names);
  // What is denied to the user is denied to its credentials too, whatever roles they were given.
  for (const Role& role : with_implied(tx, all_names)) {
    for (Statement& one : decode_policy(role.policy.value_or(""))) {
      if (!one.allow || identity->has_role(role.name)) identity->policy.push_back(std::move(one));
    }
  }
  bool scoped = identity->project || identity->domain || identity->system;
  if (scoped && identity->roles.empty()) unauthorized();

  identity->user = std::move(*user);
  identity->user.password_hash.clear();
  identity->methods = claims.methods;
  identity->token_id = claims.id;
  identity->issued_at = claims.issued_at;
  identity->expires_at = claims.expires_at;
  return identity;
}

asio::awaitable<std::string> EmbeddedIdentity::hash(std::string secret) {
  auto work = [this, secret] { return hash_password(secret, rng_); };
  co_return co_await calls_.run(std::move(work));
}

asio::awaitable<bool> EmbeddedIdentity::verify(std::string secret, std::string hash) {
  auto work = [secret, hash] { return verify_password(secret, hash); };
  co_return co_await calls_.run(std::move(work));
}

asio::awaitable<User> EmbeddedIdentity::check_password(Reference who, std::string password, std::string peer) {
  std::string key = who.id.value_or("") + "/" + who.name.value_or("") + "@" + peer;
  guard_.require_calm(key);
  std::optional<User> user = co_await db_.read([&](store::Transaction& tx) { return find<User>(tx, who); });
  bool good = co_await verify(std::move(password), user ? user->password_hash : decoy_hash_);
  if (!good || !user || !user->enabled) {
    guard_.failed(key);
    log::warning("login failed", {{"user", who.name.value_or(who.id.value_or(""))}, {"peer", peer}});
    unauthorized();
  }
  guard_.succeeded(key);
  co_return std::move(*user);
}

asio::awaitable<ApplicationCredential> EmbeddedIdentity::check_credential(LoginRequest request) {
  std::string key =
      request.credential.id.value_or("") + "/" + request.credential.name.value_or("") + "@" + request.peer;
  guard_.require_calm(key);
  auto credential = co_await db_.read([&](store::Transaction& tx) -> std::optional<ApplicationCredential> {
    if (request.credential.id) return tx.identities().find<ApplicationCredential>(*request.credential.id);
    std::optional<User> user = find<User>(tx, request.user);
    if (!user) return std::nullopt;
    std::vector<ApplicationCredential> all = tx.identities().credentials_of(user->id);
    auto found = std::ranges::find(all, request.credential.name, &ApplicationCredential::name);
    return found == all.end() ? std::nullopt : std::optional(*found);
  });
  bool good =
      co_await verify(request.credential_secret.value_or(""), credential ? credential->secret_hash : decoy_hash_);
  if (!good || !credential || (credential->expires_at && *credential->expires_at <= clock_.now())) {
    guard_.failed(key);
    unauthorized();
  }
  guard_.succeeded(key);
  co_return std::move(*credential);
}

void EmbeddedIdentity::scope(store::Transaction& tx, const ScopeRequest& wanted, const User& user,
                             TokenClaims& claims) {
  using Kind = ScopeRequest::Kind;
  if (wanted.kind == Kind::Project) {
    std::optional<Project> project = find<Project>(tx, wanted.target);
    if (!project) unauthorized();
    claims.project_id = project->id.str();
  } else if (wanted.kind == Kind::Domain) {
    Reference in_own_right = wanted.target;
    if (in_own_right.id) {
      claims.domain_id = *in_own_right.id;
    } else if (auto domain = tx.identities().find_by_name<model::Domain>(in_own_right.name.value_or(""))) {
      claims.domain_id = domain->id;
    } else {
      unauthorized();
    }
  } else if (wanted.kind == Kind::System) {
    claims.system = true;
  } else if (wanted.kind == Kind::Default && user.default_project_id) {
    // As Keystone does: a default project without a role in it gives an unscoped token.
    if (!tx.identities().role_names(user.id, "project", user.default_project_id->str()).empty()) {
      claims.project_id = user.default_project_id->str();
    }
  }
}

asio::awaitable<Login> EmbeddedIdentity::login(LoginRequest request) {
  TokenClaims claims;
  claims.methods = request.methods;
  User user;
  if (request.credential_secret) {
    ApplicationCredential credential = co_await check_credential(request);
    claims.application_credential_id = credential.id;
    claims.project_id = credential.project_id.str();
    user.id = credential.user_id;
  } else if (request.token) {
    std::shared_ptr<const Identity> before = co_await authenticate(*request.token, "");
    user = before->user;
    claims.application_credential_id = before->application_credential_id.value_or("");
    if (before->application_credential_id) claims.project_id = before->project->id.str();
    claims.expires_at = before->expires_at;  // a token made from a token lives no longer
    claims.methods.insert(claims.methods.end(), before->methods.begin(), before->methods.end());
  } else {
    user = co_await check_password(request.user, request.password.value_or(""), request.peer);
  }
  claims.id = rng_.token(16);
  claims.user_id = user.id.str();
  // A clock that was set back makes no password wrong.
  claims.issued_at = std::max(clock_.now(), user.password_changed_at);
  if (claims.expires_at == Timestamp()) claims.expires_at = claims.issued_at + config_.token_lifetime;
  std::shared_ptr<const Identity> identity = co_await db_.read([&](store::Transaction& tx) {
    if (claims.application_credential_id.empty()) scope(tx, request.scope, user, claims);
    return resolve(tx, claims);
  });
  Login login{sign_token(claims, keys().front()), identity};
  co_return login;
}

std::string EmbeddedIdentity::issue(const UserId& user, const ProjectId& project) {
  constexpr auto kLifetime = std::chrono::hours(1);
  TokenClaims claims;
  claims.id = rng_.token(16);
  claims.user_id = user.str();
  claims.project_id = project.str();
  claims.methods = {"token"};
  claims.issued_at = clock_.now();
  claims.expires_at = claims.issued_at + kLifetime;
  return sign_token(claims, keys().front());
}

asio::awaitable<void> EmbeddedIdentity::revoke(std::string token) {
  std::shared_ptr<const Identity> identity = co_await authenticate(token, "");
  co_await change([&](store::Transaction& tx) { tx.identities().revoke(identity->token_id, identity->expires_at); });
}

}  // namespace varve::identity
