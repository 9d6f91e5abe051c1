// Use cases of snapshots; the same rules as services/volumes.h. update() is the seed's call: one transaction, no task.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>

#include "backends/backend.h"
#include "model/actor.h"
#include "model/change.h"
#include "model/page.h"
#include "services/pools.h"
#include "services/quotas.h"
#include "services/tasks.h"

namespace varve::services {

struct SnapshotSpec {
  VolumeId volume_id;
  std::optional<std::string> name;
  std::optional<std::string> description;
  model::Metadata metadata;
  bool force = false;    // an `attaching` volume too
  bool attached = true;  // one in use too
};

// What is nullopt stays as it is.
struct SnapshotChange {
  model::Change<std::string> name;
  model::Change<std::string> description;
};

class Snapshots {
 public:
  Snapshots(store::Database& db, backends::Backend& backend, Pools& pools, TaskRunner& tasks, Quotas& quotas,
            Clock& clock, Rng& rng, const Settings& settings);

  boost::asio::awaitable<model::Snapshot> create(model::Actor actor, SnapshotSpec spec);
  boost::asio::awaitable<model::Snapshot> show(model::Actor actor, SnapshotId id) const;
  boost::asio::awaitable<model::Page<model::Snapshot>> list(model::PageQuery query) const;
  boost::asio::awaitable<model::Snapshot> update(model::Actor actor, SnapshotId id, SnapshotChange change);
  // Of one that is `deleting` already: nothing more happens.
  boost::asio::awaitable<void> remove(model::Actor actor, SnapshotId id, bool force);
  // Any status, unless a task works on the snapshot. One that only a task may have is healed at the next start.
  boost::asio::awaitable<void> reset_status(model::Actor actor, SnapshotId id, std::string status);
  // Ends `creating` or `deleting` from outside, with how far it got; as Cinder's os-update_snapshot_status.
  boost::asio::awaitable<void> report_status(model::Actor actor, SnapshotId id, std::string status,
                                             std::optional<std::string> progress);
  boost::asio::awaitable<model::Metadata> set_metadata(model::Actor actor, SnapshotId id, model::Metadata metadata,
                                                       bool merge);
  boost::asio::awaitable<void> remove_metadata(model::Actor actor, SnapshotId id, std::string key);
  boost::asio::awaitable<backends::Usage> usage(model::Actor actor, SnapshotId id) const;

 private:
  void register_tasks();
  boost::asio::awaitable<void> set_status(model::Actor actor, SnapshotId id, std::string status, bool report,
                                          std::optional<std::string> progress);
  boost::asio::awaitable<model::Snapshot> change(model::Actor actor, SnapshotId id,
                                                 std::function<void(model::Snapshot&)> apply);

  store::Database& db_;
  backends::Backend& backend_;
  Pools& pools_;
  TaskRunner& tasks_;
  Quotas& quotas_;
  Clock& clock_;
  Rng& rng_;
  const Settings& settings_;
};

}  // namespace varve::services
