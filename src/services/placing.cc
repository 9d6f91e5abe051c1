#include "services/placing.h"

#include <algorithm>

#include "base/error.h"
#include "services/volume_rules.h"

namespace varve::services {

std::string pool_name(const backends::Backend& backend, const std::string& pool) {
  return pool.empty() ? backend.pools().front() : pool;
}

namespace {

std::string backend_name(const backends::Backend& backend, const std::string& pool) {
  return backend.capabilities(pool).at("volume_backend_name");
}

}  // namespace

std::string host_of(const Settings& settings, const backends::Backend& backend, const std::string& pool) {
  return settings.host_name + "@" + backend_name(backend, pool) + "#" + pool_name(backend, pool);
}

std::string service_of(const backends::Backend& backend, const std::string& pool) {
  bool is_default = pool_name(backend, pool) == backend.pools().front();
  return is_default ? "cinder-volume" : "cinder-volume@" + backend_name(backend, pool);
}

namespace {

// The first wish that the pool does not fulfil, as "name = value, the storage has other"; "": none.
std::string unfulfilled(const backends::Backend& backend, const std::string& pool, const model::VolumeType& type) {
  model::Metadata offered = backend.capabilities(pool);
  for (const auto& [name, value] : type.extra_specs) {
    std::string_view key = name;
    constexpr std::string_view kScope = "capabilities:";
    if (key.starts_with(kScope)) key.remove_prefix(kScope.size());
    if (key.find(':') != std::string_view::npos) continue;
    auto have = offered.find(key);
    if (have == offered.end() || have->second == value) continue;
    std::string why = name + " = ";
    why += value;
    why += ", the storage has ";
    why += have->second;
    return why;
  }
  return {};
}

}  // namespace

bool suits(const backends::Backend& backend, const std::string& pool, const model::VolumeType& type) {
  return unfulfilled(backend, pool, type).empty();
}

std::string Placing::pick(store::Transaction& tx, const model::VolumeType& type,
                          const std::optional<std::string>& preferred) const {
  std::vector<std::string> pools = backend_.pools();
  std::string closed;
  std::erase_if(pools, [&](const std::string& pool) {
    model::ServiceState service = tx.service_states().get(service_of(backend_, pool));
    if (!service.disabled && !service.frozen) return false;
    closed = "the volume service is " + std::string(service.disabled ? "disabled" : "frozen");
    return true;
  });
  if (pools.empty()) throw Error(ErrorCode::NoSpace, closed);
  bool open = preferred && std::ranges::find(pools, pool_name(backend_, *preferred)) != pools.end();
  if (open && suits(backend_, *preferred, type)) return *preferred;
  std::optional<std::string> best;
  std::uint64_t room = 0;
  for (const std::string& pool : pools) {
    if (!suits(backend_, pool, type)) continue;
    std::uint64_t available = backend_.capacity(pool).available;
    if (best && available <= room) continue;
    room = available;
    best = pool;
  }
  if (!best) {
    std::string why = unfulfilled(backend_, pools.front(), type);
    throw Error(ErrorCode::NoSpace, "no pool suits the type: it wants " + why);
  }
  return backend_.pools().size() == 1 ? std::string() : *best;
}

model::Volume Placing::schedule(const VolumeId& id, const std::optional<std::string>& preferred) {
  auto [present, pool] = db_.read_blocking([&](store::Transaction& tx) {
    model::Volume volume = tx.volumes().get(std::nullopt, id);
    model::VolumeType type = type_of(tx, volume);
    return std::pair(volume, pick(tx, type, volume.pool.empty() ? preferred : std::optional(volume.pool)));
  });
  if (pool == present.pool) return present;
  return db_.write_blocking([&](store::Transaction& tx) {
    model::Volume volume = tx.volumes().get(std::nullopt, id);
    volume.pool = pool;
    tx.volumes().update(volume);
    return volume;
  });
}

void Placing::create_empty(const model::Volume& volume) {
  backends::Placement placement{volume.pool, std::nullopt};
  if (volume.encryption_key_id) {
    placement.key = KeyId(*volume.encryption_key_id);
    auto master = volume.metadata.find("__system__cmkid");
    keys_.create(*placement.key, volume.project_id, master == volume.metadata.end() ? "" : master->second);
  }
  backend_.create_volume(volume.id, volume.size_gib, placement);
}

void Placing::drop_key(const model::Volume& volume) {
  if (!volume.encryption_key_id) return;
  bool needed = db_.read_blocking([&](store::Transaction& tx) {
    return tx.volumes().another_uses_key(*volume.encryption_key_id, volume.id) ||
           tx.backups().uses_key(*volume.encryption_key_id);
  });
  if (needed) return;
  keys_.remove(KeyId(*volume.encryption_key_id));
  backend_.forget_key(KeyId(*volume.encryption_key_id));
}

}  // namespace varve::services
