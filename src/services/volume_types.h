// Kinds of volumes: names, extra specs, and the quality of service that the storage enforces.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "model/actor.h"
#include "services/settings.h"
#include "services/types_of.h"
#include "store/database.h"

namespace varve::services {

class VolumeTypes : public TypesOf<model::VolumeType> {
 public:
  VolumeTypes(store::Database& db, Clock& clock, Rng& rng, const Settings& settings)
      : TypesOf(db, clock, rng), settings_(settings) {}

  // A new store gets the five types of EVS.
  void seed();

  boost::asio::awaitable<std::vector<model::VolumeType>> list(model::Actor actor) const;
  boost::asio::awaitable<model::VolumeType> show(model::Actor actor, std::string id) const;
  boost::asio::awaitable<model::VolumeType> named(model::Actor actor, std::string name_or_id) const;
  boost::asio::awaitable<model::VolumeType> default_type(model::Actor actor) const;  // of its project

  // Projects that may use a private type; for administrators, which the API checks. Of one that is
  // public access() throws Error(NotFound), grant() Error(Conflict).
  boost::asio::awaitable<std::vector<ProjectId>> access(std::string id) const;
  boost::asio::awaitable<void> grant(std::string id, ProjectId project);
  boost::asio::awaitable<void> revoke(std::string id, ProjectId project);

  // By name or id, as volume_type of a request is; nullopt: the default.
  // A private type is there for administrators and projects with access.
  model::VolumeType resolve(store::Transaction& tx, const model::Actor& actor,
                            const std::optional<std::string>& name_or_id) const;

 private:
  void require_removable(const model::VolumeType& type) const override;

  const Settings& settings_;
};

}  // namespace varve::services
