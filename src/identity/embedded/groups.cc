// Groups and access keys of the embedded identity.

#include "base/error.h"
#include "identity/embedded/embedded_identity.h"

namespace varve::identity {

namespace asio = boost::asio;
using model::AccessKey;
using model::Group;
using model::User;

namespace {

constexpr std::size_t kMaxAccessKeys = 10;

std::string to_upper(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

}  // namespace

asio::awaitable<std::vector<Group>> EmbeddedIdentity::groups_of(UserId user) {
  co_return co_await db_.read([&](store::Transaction& tx) { return tx.identities().groups_of(user); });
}

asio::awaitable<Group> EmbeddedIdentity::create_group(GroupSpec spec) {
  Group made{rng_.hex(16), spec.domain_id.value_or(kDefaultDomain), spec.name.value_or(""),
             spec.description.value_or("")};
  co_return co_await create(std::move(made));
}

asio::awaitable<Group> EmbeddedIdentity::update_group(std::string id, GroupSpec spec) {
  co_return co_await update<Group>(id, [&](store::Transaction& tx, Group& group) {
    if (spec.name) group.name = *spec.name;
    if (spec.description) group.description = *spec.description;
    require_free_name(tx, group);
  });
}

asio::awaitable<std::vector<User>> EmbeddedIdentity::members(std::string group) {
  co_return co_await db_.read([&](store::Transaction& tx) {
    get<Group>(tx, group);
    return tx.identities().members_of(group);
  });
}

asio::awaitable<bool> EmbeddedIdentity::is_member(std::string group, UserId user) {
  co_return co_await db_.read([&](store::Transaction& tx) { return tx.identities().is_member(group, user); });
}

asio::awaitable<void> EmbeddedIdentity::add_member(std::string group, UserId user) {
  co_await change([&](store::Transaction& tx) {
    get<Group>(tx, group);
    get<User>(tx, user.str());
    tx.identities().add_member(group, user);
  });
}

asio::awaitable<void> EmbeddedIdentity::remove_member(std::string group, UserId user) {
  co_await change([&](store::Transaction& tx) {
    if (!tx.identities().remove_member(group, user)) {
      throw Error(ErrorCode::NotFound, "User " + user.str() + " is not in group " + group + ".");
    }
  });
}

asio::awaitable<std::vector<AccessKey>> EmbeddedIdentity::access_keys(UserId user) {
  co_return co_await db_.read([&](store::Transaction& tx) { return tx.identities().access_keys_of(user); });
}

asio::awaitable<AccessKey> EmbeddedIdentity::create_access_key(UserId user, std::string description) {
  AccessKey made{to_upper(rng_.hex(10)), user, rng_.token(30), std::move(description), true, clock_.now()};
  co_await change([&](store::Transaction& tx) {
    get<User>(tx, user.str());
    if (tx.identities().access_keys_of(user).size() >= kMaxAccessKeys) {
      throw Error(ErrorCode::Conflict, "User " + user.str() + " has 10 access keys, the most that is allowed.");
    }
    tx.identities().insert(made);
  });
  co_return made;
}

asio::awaitable<AccessKey> EmbeddedIdentity::update_access_key(std::string id, std::optional<bool> active,
                                                               std::optional<std::string> description) {
  co_return co_await update<AccessKey>(id, [&](store::Transaction&, AccessKey& key) {
    if (active) key.active = *active;
    if (description) key.description = *description;
  });
}

}  // namespace varve::identity
