// Where new volumes go and what is made with them: the pool that suits the type, the key, the image.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "backends/backend.h"
#include "keys/key_manager.h"
#include "services/pools.h"
#include "store/database.h"

namespace varve::services {

class Placement {
 public:
  // needs_key: whether something else needs a key; empty: nothing does.
  Placement(store::Database& db, backends::Backend& backend, Pools& pools, keys::KeyManager& keys,
            std::function<bool(const KeyId&)> needs_key)
      : db_(db), backend_(backend), pools_(pools), keys_(keys), needs_key_(std::move(needs_key)) {}

  // Where a volume of the type may be, as rows name it: the preferred pool alone if it suits, else all that do; never
  // none. Throws Error(NoSpace) when none suits. One whose service is disabled or frozen is left out.
  std::vector<std::string> candidates(store::Transaction& tx, const model::VolumeType& type,
                                      const std::optional<std::string>& preferred) const;

  // Gives the volume its pool, once. Throws Error(NoSpace) when the service takes no volumes or no pool suits.
  model::Volume schedule(const VolumeId& id, const std::optional<std::string>& preferred);

  // Its key, if it has one, and its bytes: all zeros. May be repeated.
  void create_empty(const model::Volume& volume);

  // The key of a volume or backup whose bytes are deleted, unless another one needs it, by its row or its bytes.
  void drop_key(const KeyId& key, const VolumeId& volume, const BackupId& backup);

 private:
  store::Database& db_;
  backends::Backend& backend_;
  Pools& pools_;
  keys::KeyManager& keys_;
  const std::function<bool(const KeyId&)> needs_key_;
};

}  // namespace varve::services
