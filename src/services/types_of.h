// What types of volumes and types of groups have in common: they are made, changed and removed, and so are their specs.
// For administrators; the API checks that. What names none throws Error(NotFound); a name that is taken
// Error(Conflict).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/rng.h"
#include "model/change.h"
#include "model/metadata.h"
#include "store/database.h"

namespace varve::services {

struct TypeSpec {
  std::string name;
  std::optional<std::string> description;
  bool is_public = true;
  model::Metadata specs;  // extra specs, of a volume type
};

struct TypeChange {
  std::optional<std::string> name;
  model::Change<std::string> description;
  std::optional<bool> is_public;
};

template <class Type>
class TypesOf {
 public:
  TypesOf(store::Database& db, Clock& clock, Rng& rng) : db_(db), clock_(clock), rng_(rng) {}

  boost::asio::awaitable<Type> create(TypeSpec spec);
  boost::asio::awaitable<Type> update(std::string id, TypeChange change);
  // Error(InvalidState) while it is in use, Error(Forbidden) when it must stay.
  boost::asio::awaitable<void> remove(std::string id);
  boost::asio::awaitable<void> merge_specs(std::string id, model::Metadata specs);
  boost::asio::awaitable<void> remove_spec(std::string id, std::string key);

 protected:
  ~TypesOf() = default;
  [[noreturn]] static void not_found(const std::string& id);
  static Type get(store::Transaction& tx, const std::string& id);
  // May one that nobody uses be removed? Throws if not.
  virtual void require_removable(const Type&) const {}

  store::Database& db_;
  Clock& clock_;
  Rng& rng_;

 private:
  static void require_free_name(store::Transaction& tx, const std::string& name, const Type& own);
};

extern template class TypesOf<model::VolumeType>;
extern template class TypesOf<model::GroupType>;

}  // namespace varve::services
