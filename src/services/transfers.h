// Transfers: a volume changes its project. Who offers it gets a key, once; whoever shows the key takes the volume.
// Sources: EVS "Disk Transfer Management", Cinder "Volume transfers" (snapshots go along since 3.55).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>

#include "base/guess_guard.h"
#include "base/rng.h"
#include "model/actor.h"
#include "model/page.h"
#include "services/quotas.h"
#include "store/database.h"

namespace varve::services {

struct NewTransfer {
  model::Transfer transfer;
  std::string auth_key;
};

class Transfers {
 public:
  Transfers(store::Database& db, Quotas& quotas, Clock& clock, Rng& rng, const Settings& settings)
      : db_(db), quotas_(quotas), clock_(clock), rng_(rng), settings_(settings), guard_(clock) {}

  // The volume is `available` and becomes `awaiting-transfer`. no_snapshots: its snapshots are not to go along, so it
  // may have none. Profile evs refuses what EVS does not transfer: snapshots, bootable and encrypted volumes.
  boost::asio::awaitable<NewTransfer> create(model::Actor actor, VolumeId volume, std::optional<std::string> name,
                                             bool no_snapshots);
  boost::asio::awaitable<model::Transfer> show(model::Actor actor, TransferId id) const;
  boost::asio::awaitable<model::Page<model::Transfer>> list(model::PageQuery query) const;
  boost::asio::awaitable<void> remove(model::Actor actor, TransferId id);
  // Into the actor's project, within its quota. A wrong key throws Error(InvalidInput), guessing is slowed down.
  boost::asio::awaitable<model::Transfer> accept(model::Actor actor, TransferId id, std::string auth_key);

 private:
  void require_transferable(store::Transaction& tx, const model::Volume& volume, bool no_snapshots) const;

  store::Database& db_;
  Quotas& quotas_;
  Clock& clock_;
  Rng& rng_;
  const Settings& settings_;
  GuessGuard guard_;
};

}  // namespace varve::services
