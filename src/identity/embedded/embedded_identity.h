// The identity that comes with varved: users, projects, roles and keys in the store.
//
// Any thread. Password work runs on a thread of its own. Every change of identity data moves an epoch on, which makes
// cached tokens be looked at anew.
#pragma once

#include <atomic>
#include <unordered_map>

#include "base/guess_guard.h"
#include "base/mutex.h"
#include "base/offload.h"
#include "base/rng.h"
#include "identity/directory.h"
#include "identity/embedded/rows.h"
#include "identity/embedded/signatures.h"
#include "identity/embedded/tokens.h"
#include "store/database.h"
#include "store/identity_tables.h"

namespace varve::identity {

struct EmbeddedConfig {
  std::chrono::seconds token_lifetime{std::chrono::hours(12)};
  std::chrono::hours key_rotation{24 * 30};
};

class EmbeddedIdentity final : public Directory {
 public:
  EmbeddedIdentity(store::Database& db, Clock& clock, Rng& rng, Offload& calls, EmbeddedConfig config);

  // A store in which nobody has a password (a new one, or one whose database was lost) gets the default domain, the
  // roles, the project and the user `admin`, those that are not there. Before it has that password, which nobody can
  // ask for again, admin's password is handed out; when this throws, or varved dies, the next start hands out another.
  // One at a time.
  void bootstrap(const std::function<void(const std::string& password)>& hand_out);
  // Makes a new signing key when the newest is old, drops those that can verify no living token any more.
  void rotate_keys();

  // A token for work that varved does on a user's behalf at another service. It says nothing that is not looked up when
  // it is shown: a user who lost the project gains nothing.
  std::string issue(const UserId& user, const ProjectId& project);

  // Tokens last for hours: none is let pass after its end. A change of identity data counts at once.
  Awaitable<std::shared_ptr<const Identity>> authenticate(std::string token, std::string service_token) override;
  Awaitable<std::shared_ptr<const Identity>> authenticate_signature(SignedRequest request) override;
  Awaitable<Login> login(LoginRequest request) override;
  Awaitable<void> revoke(std::string token) override;

  Awaitable<std::vector<model::Domain>> domains() override { return all<model::Domain>(); }
  Awaitable<model::Domain> domain(std::string id) override { return one<model::Domain>(std::move(id)); }
  Awaitable<model::Domain> create_domain(ProjectSpec spec) override;
  Awaitable<model::Domain> update_domain(std::string id, ProjectSpec spec) override;
  Awaitable<void> remove_domain(std::string id) override;
  Awaitable<std::vector<model::Project>> projects() override { return all<model::Project>(); }
  Awaitable<std::vector<model::Project>> projects_of(UserId user) override;
  Awaitable<model::Project> project(std::string id) override { return one<model::Project>(std::move(id)); }
  Awaitable<model::Project> create_project(ProjectSpec spec) override;
  Awaitable<model::Project> update_project(std::string id, ProjectSpec spec) override;
  Awaitable<void> remove_project(std::string id) override;
  Awaitable<std::vector<model::User>> users() override { return all<model::User>(); }
  Awaitable<model::User> user(std::string id) override { return one<model::User>(std::move(id)); }
  Awaitable<model::User> create_user(UserSpec spec) override;
  Awaitable<model::User> update_user(std::string id, UserSpec spec) override;
  Awaitable<void> change_password(std::string id, std::string original, std::string password,
                                  std::string peer) override;
  Awaitable<void> remove_user(std::string id) override { return remove<model::User>(std::move(id)); }
  Awaitable<std::vector<model::Role>> roles() override { return all<model::Role>(); }
  Awaitable<model::Role> role(std::string id) override { return one<model::Role>(std::move(id)); }
  Awaitable<model::Role> create_role(RoleSpec spec) override;
  Awaitable<model::Role> update_role(std::string id, RoleSpec spec) override;
  Awaitable<void> remove_role(std::string id) override;
  Awaitable<std::vector<model::RoleAssignment>> assignments() override;
  Awaitable<void> assign(model::RoleAssignment assignment) override;
  Awaitable<void> unassign(model::RoleAssignment assignment) override;
  Awaitable<std::vector<model::Group>> groups() override { return all<model::Group>(); }
  Awaitable<std::vector<model::Group>> groups_of(UserId user) override;
  Awaitable<model::Group> group(std::string id) override { return one<model::Group>(std::move(id)); }
  Awaitable<model::Group> create_group(GroupSpec spec) override;
  Awaitable<model::Group> update_group(std::string id, GroupSpec spec) override;
  Awaitable<void> remove_group(std::string id) override { return remove<model::Group>(std::move(id)); }
  Awaitable<std::vector<model::User>> members(std::string group) override;
  Awaitable<bool> is_member(std::string group, UserId user) override;
  Awaitable<void> add_member(std::string group, UserId user) override;
  Awaitable<void> remove_member(std::string group, UserId user) override;
  Awaitable<std::vector<model::AccessKey>> access_keys(UserId user) override;
  Awaitable<model::AccessKey> access_key(std::string id) override { return one<model::AccessKey>(std::move(id)); }
  Awaitable<model::AccessKey> create_access_key(UserId user, std::string description) override;
  Awaitable<model::AccessKey> update_access_key(std::string id, std::optional<bool> active,
                                                std::optional<std::string> description) override;
  Awaitable<void> remove_access_key(std::string id) override { return remove<model::AccessKey>(std::move(id)); }
  Awaitable<std::vector<model::ApplicationCredential>> credentials(UserId user) override;
  Awaitable<NewCredential> create_credential(std::shared_ptr<const Identity> owner, CredentialSpec spec) override;
  Awaitable<void> remove_credential(UserId user, std::string id) override;

 private:
  struct Cached {
    std::shared_ptr<const Identity> identity;
    std::uint64_t epoch = 0;
  };

  void make_administrator(store::Transaction& tx, const std::string& password_hash);
  std::shared_ptr<const Identity> cached(const std::string& token);
  std::shared_ptr<const Identity> resolve(store::Transaction& tx, const TokenClaims& claims);
  void scope(store::Transaction& tx, const ScopeRequest& wanted, const model::User& user, TokenClaims& claims);
  Awaitable<model::User> check_password(Reference who, std::string password, std::string peer);
  Awaitable<model::ApplicationCredential> check_credential(LoginRequest request);
  Awaitable<std::string> hash(std::string secret);
  Awaitable<bool> verify(std::string secret, std::string hash);
  // Cached identities are resolved anew afterwards.
  template <class F>
  Awaitable<store::Result<F>> change(F fn) {
    struct Raise {
      ~Raise() { ++epoch; }
      std::atomic<std::uint64_t>& epoch;
    } raise{epoch_};
    co_return co_await db_.write(std::move(fn));
  }
  template <class T>
  Awaitable<std::vector<T>> all() {
    co_return co_await db_.read([](store::Transaction& tx) { return tx.identities().all<T>(); });
  }
  template <class T>
  Awaitable<T> one(std::string id) {
    co_return co_await db_.read([&](store::Transaction& tx) { return get<T>(tx, id); });
  }
  template <class T>
  Awaitable<T> create(T row) {
    co_await change([&](store::Transaction& tx) {
      if constexpr (InDomain<T>) get<model::Domain>(tx, row.domain_id);
      require_free_name(tx, row);
      tx.identities().insert(row);
    });
    co_return row;
  }
  // edit(tx, row) changes the row or refuses.
  template <class T, class F>
  Awaitable<T> update(std::string id, F edit) {
    co_return co_await change([&](store::Transaction& tx) {
      T row = get<T>(tx, id);
      edit(tx, row);
      tx.identities().update(row);
      return row;
    });
  }
  // clear(tx, row) takes away what hangs on the row or refuses.
  template <class T, class F>
  Awaitable<void> remove(std::string id, F clear) {
    co_await change([&](store::Transaction& tx) {
      clear(tx, get<T>(tx, id));
      tx.identities().remove<T>(id);
    });
  }
  template <class T>
  Awaitable<void> remove(std::string id) {
    return remove<T>(std::move(id), [](store::Transaction&, const T&) {});
  }
  std::vector<model::SigningKey> keys();

  store::Database& db_;
  Clock& clock_;
  Rng& rng_;
  Offload& calls_;
  const EmbeddedConfig config_;
  GuessGuard guard_;
  SeenSignatures seen_;
  std::string decoy_hash_;  // verified for users that do not exist, so that they take as long
  std::atomic<std::uint64_t> epoch_{1};

  Mutex cache_mutex_;
  std::unordered_map<std::string, Cached> cache_ VARVE_GUARDED_BY(cache_mutex_);
  std::vector<model::SigningKey> keys_ VARVE_GUARDED_BY(cache_mutex_);
  std::uint64_t keys_epoch_ VARVE_GUARDED_BY(cache_mutex_) = 0;
};

}  // namespace varve::identity
