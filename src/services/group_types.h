// Kinds of groups. Everybody may read them; private ones are for administrators.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "model/actor.h"
#include "model/page.h"
#include "services/types_of.h"
#include "store/database.h"

namespace varve::services {

// Groups of this type are what Cinder called consistency groups before there were groups.
inline constexpr const char* kConsistencyGroupType = "default_cgsnapshot_type";

class GroupTypes : public TypesOf<model::GroupType> {
 public:
  using TypesOf::TypesOf;

  // A new store gets the one that Cinder's database begins with.
  void seed();

  boost::asio::awaitable<model::Page<model::GroupType>> list(model::PageQuery query) const;
  boost::asio::awaitable<model::GroupType> show(model::Actor actor, std::string id) const;
  boost::asio::awaitable<model::GroupType> default_type() const;
};

}  // namespace varve::services
