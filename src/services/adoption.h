// Taking in what the storage has and the store does not know of, and giving up rows without giving up bytes. For
// administrators; the API checks that.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "model/actor.h"
#include "services/pools.h"
#include "services/quotas.h"
#include "services/tasks.h"
#include "services/volume_types.h"

namespace varve::services {

struct ManageVolumeSpec {
  std::string source;  // Found::name
  std::string pool;    // where it is said to be
  std::optional<std::string> name;
  std::optional<std::string> description;
  std::optional<std::string> volume_type;
  std::optional<std::string> availability_zone;
  model::Metadata metadata;
  bool bootable = false;
};

struct ManageSnapshotSpec {
  std::string source;
  VolumeId volume_id;
  std::optional<std::string> name;
  std::optional<std::string> description;
  model::Metadata metadata;
};

struct Manageable {
  backends::Found found;
  std::optional<std::string> owner;  // the id of the row that has it already
};

class Adoption {
 public:
  Adoption(store::Database& db, backends::Backend& backend, Pools& pools, TaskRunner& tasks, Quotas& quotas,
           VolumeTypes& types, Clock& clock, Rng& rng, const Settings& settings);

  boost::asio::awaitable<std::vector<Manageable>> volumes(std::string pool) const;
  boost::asio::awaitable<std::vector<Manageable>> snapshots(std::string pool) const;
  boost::asio::awaitable<model::Volume> manage_volume(model::Actor actor, ManageVolumeSpec spec);
  boost::asio::awaitable<model::Snapshot> manage_snapshot(model::Actor actor, ManageSnapshotSpec spec);
  // The row goes, the bytes stay; the volume has no attachments and no snapshots.
  boost::asio::awaitable<void> unmanage_volume(model::Actor actor, VolumeId id);
  boost::asio::awaitable<void> unmanage_snapshot(model::Actor actor, SnapshotId id);

 private:
  void register_tasks();
  boost::asio::awaitable<std::vector<Manageable>> all(std::string pool, bool snapshots) const;
  boost::asio::awaitable<backends::Found> require(std::string source, bool snapshot) const;

  store::Database& db_;
  backends::Backend& backend_;
  Pools& pools_;
  TaskRunner& tasks_;
  Quotas& quotas_;
  VolumeTypes& types_;
  Clock& clock_;
  Rng& rng_;
  const Settings& settings_;
};

}  // namespace varve::services
