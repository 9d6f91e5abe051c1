#include "services/group_types.h"

#include "base/error.h"

namespace varve::services {

using model::GroupType;

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

}  // namespace varve::services
