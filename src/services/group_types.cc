#include "services/group_types.h"

#include "base/error.h"

namespace varve::services {

namespace asio = boost::asio;
using model::GroupType;

namespace {

[[noreturn]] void not_found(const std::string& id) {
  throw Error(ErrorCode::NotFound, "Group type " + id + " could not be found.");
}

GroupType get(store::Transaction& tx, const std::string& id) {
  std::optional<GroupType> type = tx.group_types().find(GroupTypeId(id));
  if (!type) not_found(id);
  return std::move(*type);
}

void require_free_name(store::Transaction& tx, const std::string& name, const GroupTypeId& own) {
  std::optional<GroupType> other = tx.group_types().find_by_name(name);
  if (other && other->id != own) throw Error(ErrorCode::Conflict, "Group Type " + name + " already exists.");
}

}  // namespace

void GroupTypes::seed() {
  db_.write_blocking([&](store::Transaction& tx) {
    if (tx.group_types().find_by_name(kConsistencyGroupType)) return;
    GroupType type;
    type.id = GroupTypeId(rng_.uuid());
    type.name = kConsistencyGroupType;
    type.description = "Default group type for migrating cgsnapshot";
    type.specs = {{"consistent_group_snapshot_enabled", "<is> True"}};
    type.created_at = clock_.now();
    tx.group_types().insert(type);
  });
}

boost::asio::awaitable<model::Page<GroupType>> GroupTypes::list(model::PageQuery query) const {
  co_return co_await db_.read([&](store::Transaction& tx) {
    if (query.marker) get(tx, *query.marker);
    return tx.group_types().list(query);
  });
}

boost::asio::awaitable<GroupType> GroupTypes::show(model::Actor actor, std::string id) const {
  GroupType type = co_await db_.read([&](store::Transaction& tx) { return get(tx, id); });
  if (!type.is_public && !actor.admin) not_found(id);
  co_return type;
}

boost::asio::awaitable<GroupType> GroupTypes::default_type() const {
  std::optional<GroupType> type =
      co_await db_.read([&](store::Transaction& tx) { return tx.group_types().find_by_name(kConsistencyGroupType); });
  if (!type) throw Error(ErrorCode::NotFound, "Default group type can not be found.");
  co_return *type;
}

asio::awaitable<GroupType> GroupTypes::create(TypeSpec spec) {
  GroupType type;
  type.id = GroupTypeId(rng_.uuid());
  type.name = spec.name;
  type.description = spec.description;
  type.is_public = spec.is_public;
  type.specs = spec.specs;
  type.created_at = clock_.now();
  co_await db_.write([&](store::Transaction& tx) {
    require_free_name(tx, type.name, type.id);
    tx.group_types().insert(type);
  });
  co_return type;
}

asio::awaitable<GroupType> GroupTypes::update(std::string id, TypeChange change) {
  co_return co_await db_.write([&](store::Transaction& tx) {
    GroupType type = get(tx, id);
    if (change.name) {
      require_free_name(tx, *change.name, type.id);
      type.name = *change.name;
    }
    if (change.description) type.description = *change.description;
    if (change.is_public) type.is_public = *change.is_public;
    type.updated_at = clock_.now();
    tx.group_types().update(type);
    return type;
  });
}

asio::awaitable<void> GroupTypes::remove(std::string id) {
  co_await db_.write([&](store::Transaction& tx) {
    GroupType type = get(tx, id);
    if (tx.group_types().in_use(type.id)) {
      throw Error(ErrorCode::InvalidState,
                  "Target group type is still in use: groups of type " + type.name + " exist.");
    }
    tx.group_types().remove(type.id);
  });
}

asio::awaitable<void> GroupTypes::merge_specs(std::string id, model::Metadata specs) {
  co_await db_.write([&](store::Transaction& tx) {
    GroupType type = get(tx, id);
    for (const auto& [key, value] : specs) type.specs[key] = value;
    type.updated_at = clock_.now();
    tx.group_types().update(type);
  });
}

asio::awaitable<void> GroupTypes::remove_spec(std::string id, std::string key) {
  co_await db_.write([&](store::Transaction& tx) {
    GroupType type = get(tx, id);
    if (type.specs.erase(key) == 0) {
      throw Error(ErrorCode::NotFound, "Group Type " + id + " has no specs with key " + key + ".");
    }
    type.updated_at = clock_.now();
    tx.group_types().update(type);
  });
}

}  // namespace varve::services
