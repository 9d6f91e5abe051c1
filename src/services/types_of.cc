#include "services/types_of.h"

#include "base/error.h"

namespace varve::services {

namespace asio = boost::asio;
using model::GroupType;
using model::VolumeType;

namespace {

// Where a kind of type is kept, and what messages call it.
template <class Type>
struct Kind;

template <>
struct Kind<VolumeType> {
  static constexpr std::string_view name = "volume type";
  static constexpr std::string_view subject = "Volume type";
  static constexpr std::string_view title = "Volume Type";
  static constexpr std::string_view used_by = "volumes";
  static constexpr std::string_view specs_name = "extra specs";
  static auto table(store::Transaction& tx) { return tx.volume_types(); }
  static model::Metadata& specs(VolumeType& type) { return type.extra_specs; }
};

template <>
struct Kind<GroupType> {
  static constexpr std::string_view name = "group type";
  static constexpr std::string_view subject = "Group type";
  static constexpr std::string_view title = "Group Type";
  static constexpr std::string_view used_by = "groups";
  static constexpr std::string_view specs_name = "specs";
  static auto table(store::Transaction& tx) { return tx.group_types(); }
  static model::Metadata& specs(GroupType& type) { return type.specs; }
};

}  // namespace

template <class Type>
void TypesOf<Type>::not_found(const std::string& id) {
  throw Error(ErrorCode::NotFound, std::string(Kind<Type>::subject) + " " + id + " could not be found.");
}

template <class Type>
Type TypesOf<Type>::get(store::Transaction& tx, const std::string& id) {
  std::optional<Type> type = Kind<Type>::table(tx).find(decltype(Type::id)(id));
  if (!type) not_found(id);
  return std::move(*type);
}

template <class Type>
void TypesOf<Type>::require_free_name(store::Transaction& tx, const std::string& name, const Type& own) {
  std::optional<Type> other = Kind<Type>::table(tx).find_by_name(name);
  if (!other || other->id == own.id) return;
  throw Error(ErrorCode::Conflict, std::string(Kind<Type>::title) + " " + name + " already exists.");
}

template <class Type>
asio::awaitable<Type> TypesOf<Type>::create(TypeSpec spec) {
  Type type;
  type.id = decltype(Type::id)(rng_.uuid());
  type.name = spec.name;
  type.description = spec.description;
  type.is_public = spec.is_public;
  Kind<Type>::specs(type) = spec.specs;
  type.created_at = clock_.now();
  co_await db_.write([&](store::Transaction& tx) {
    require_free_name(tx, type.name, type);
    Kind<Type>::table(tx).insert(type);
  });
  co_return type;
}

template <class Type>
asio::awaitable<Type> TypesOf<Type>::update(std::string id, TypeChange change) {
  co_return co_await db_.write([&](store::Transaction& tx) {
    Type type = get(tx, id);
    if (change.name) {
      require_free_name(tx, *change.name, type);
      type.name = *change.name;
    }
    if (change.description) type.description = *change.description;
    if (change.is_public) type.is_public = *change.is_public;
    type.updated_at = clock_.now();
    Kind<Type>::table(tx).update(type);
    return type;
  });
}

template <class Type>
asio::awaitable<void> TypesOf<Type>::remove(std::string id) {
  co_await db_.write([&](store::Transaction& tx) {
    Type type = get(tx, id);
    if (Kind<Type>::table(tx).in_use(type.id)) {
      throw Error(ErrorCode::InvalidState, "Target " + std::string(Kind<Type>::name) + " is still in use: " +
                                               std::string(Kind<Type>::used_by) + " of type " + type.name + " exist.");
    }
    require_removable(type);
    Kind<Type>::table(tx).remove(type.id);
  });
}

template <class Type>
asio::awaitable<void> TypesOf<Type>::merge_specs(std::string id, model::Metadata specs) {
  co_await db_.write([&](store::Transaction& tx) {
    Type type = get(tx, id);
    for (const auto& [key, value] : specs) Kind<Type>::specs(type)[key] = value;
    type.updated_at = clock_.now();
    Kind<Type>::table(tx).update(type);
  });
}

template <class Type>
asio::awaitable<void> TypesOf<Type>::remove_spec(std::string id, std::string key) {
  co_await db_.write([&](store::Transaction& tx) {
    Type type = get(tx, id);
    if (Kind<Type>::specs(type).erase(key) == 0) {
      throw Error(ErrorCode::NotFound, std::string(Kind<Type>::title) + " " + id + " has no " +
                                           std::string(Kind<Type>::specs_name) + " with key " + key + ".");
    }
    type.updated_at = clock_.now();
    Kind<Type>::table(tx).update(type);
  });
}

template class TypesOf<VolumeType>;
template class TypesOf<GroupType>;

}  // namespace varve::services
