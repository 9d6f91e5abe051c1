// Kinds of groups. Reading: everybody (private ones: administrators); changing: administrators, which the API checks.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "base/clock.h"
#include "base/rng.h"
#include "model/actor.h"
#include "model/page.h"
#include "services/type_change.h"
#include "store/database.h"

namespace varve::services {

// Groups of this type are what Cinder called consistency groups before there were groups.
inline constexpr const char* kConsistencyGroupType = "default_cgsnapshot_type";

class GroupTypes {
 public:
  GroupTypes(store::Database& db, Clock& clock, Rng& rng) : db_(db), clock_(clock), rng_(rng) {}

  // A new store gets the one that Cinder's database begins with.
  void seed();

  boost::asio::awaitable<model::Page<model::GroupType>> list(model::PageQuery query) const;
  boost::asio::awaitable<model::GroupType> show(model::Actor actor, std::string id) const;
  boost::asio::awaitable<model::GroupType> default_type() const;
  boost::asio::awaitable<model::GroupType> create(TypeSpec spec);
  boost::asio::awaitable<model::GroupType> update(std::string id, TypeChange change);
  boost::asio::awaitable<void> remove(std::string id);
  boost::asio::awaitable<void> merge_specs(std::string id, model::Metadata specs);
  boost::asio::awaitable<void> remove_spec(std::string id, std::string key);

 private:
  store::Database& db_;
  Clock& clock_;
  Rng& rng_;
};

}  // namespace varve::services
