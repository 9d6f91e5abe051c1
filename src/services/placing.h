// Where new volumes go and what is made with them: the pool that suits the type, the key, the image.
#pragma once

#include <optional>
#include <string>

#include "backends/backend.h"
#include "keys/key_manager.h"
#include "services/settings.h"
#include "store/database.h"

namespace varve::services {

// Pools are named as the volume's row names them: "" is the default one.
std::string pool_name(const backends::Backend& backend, const std::string& pool);

// "varve@qcow2#default", as Cinder names a pool.
std::string host_of(const Settings& settings, const backends::Backend& backend, const std::string& pool);

// Under which id an operator has switched the pool's service off (ServiceState).
std::string service_of(const backends::Backend& backend, const std::string& pool);

// Has the pool what the type's extra specs ask for (those without a scope, or with "capabilities:")? Keys that it knows
// nothing of are notes.
bool suits(const backends::Backend& backend, const std::string& pool, const model::VolumeType& type);

class Placing {
 public:
  Placing(store::Database& db, backends::Backend& backend, keys::KeyManager& keys)
      : db_(db), backend_(backend), keys_(keys) {}

  // The preferred pool if it suits, else the suitable one with the most room. Throws Error(NoSpace) when none suits.
  // One whose service is disabled or frozen is left out.
  std::string pick(store::Transaction& tx, const model::VolumeType& type,
                   const std::optional<std::string>& preferred) const;

  // Gives the volume its pool, once. Throws Error(NoSpace) when the service takes no volumes or no pool suits.
  model::Volume schedule(const VolumeId& id, const std::optional<std::string>& preferred);

  // Its key, if it has one, and its bytes: all zeros. May be repeated.
  void create_empty(const model::Volume& volume);

  // The key of a volume that is being deleted, unless another volume or a backup needs it.
  void drop_key(const model::Volume& volume);

 private:
  store::Database& db_;
  backends::Backend& backend_;
  keys::KeyManager& keys_;
};

}  // namespace varve::services
