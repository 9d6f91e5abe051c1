#include "services/placement.h"

#include <algorithm>

#include "base/error.h"
#include "services/volume_rules.h"

namespace varve::services {

std::vector<std::string> Placement::candidates(store::Transaction& tx, const model::VolumeType& type,
                                               const std::optional<std::string>& preferred) const {
  std::vector<Pool> open = pools_.all();
  std::string closed;
  std::erase_if(open, [&](const Pool& pool) {
    model::ServiceState service = tx.service_states().get(pool.service);
    if (!service.disabled && !service.frozen) return false;
    closed = "the volume service is " + std::string(service.disabled ? "disabled" : "frozen");
    return true;
  });
  if (open.empty()) throw Error(ErrorCode::NoSpace, closed);
  const Pool* wanted = preferred ? pools_.find(*preferred) : nullptr;
  bool is_open = wanted != nullptr && std::ranges::find(open, wanted->name, &Pool::name) != open.end();
  if (is_open && pools_.suits(*preferred, type)) return {*preferred};
  std::vector<std::string> out;
  for (const Pool& pool : open) {
    if (pools_.suits(pool.name, type)) out.push_back(pools_.row_name(pool.name));
  }
  if (!out.empty()) return out;
  throw Error(ErrorCode::NoSpace, "no pool suits the type: it wants " + pools_.lack(open.front().name, type));
}

model::Volume Placement::schedule(const VolumeId& id, const std::optional<std::string>& preferred) {
  auto [present, pools] = db_.read_blocking([&](store::Transaction& tx) {
    model::Volume volume = tx.volumes().get(std::nullopt, id);
    model::VolumeType type = type_of(tx, volume);
    return std::pair(volume, candidates(tx, type, volume.pool.empty() ? preferred : std::optional(volume.pool)));
  });
  std::string pool = pools_.roomiest(pools);
  if (pool == present.pool) return present;
  return db_.write_blocking([&](store::Transaction& tx) {
    model::Volume volume = tx.volumes().get(std::nullopt, id);
    volume.pool = pool;
    tx.volumes().update(volume);
    return volume;
  });
}

void Placement::create_empty(const model::Volume& volume) {
  backends::Placement placement{volume.pool, std::nullopt};
  if (volume.encryption_key_id) {
    placement.key = *volume.encryption_key_id;
    auto master = volume.metadata.find("__system__cmkid");
    keys_.create(*placement.key, volume.project_id, master == volume.metadata.end() ? "" : master->second);
  }
  backend_.create_volume(volume.id, volume.size_gib, placement);
}

void Placement::drop_key(const KeyId& key, const VolumeId& volume, const BackupId& backup) {
  bool needed = db_.read_blocking([&](store::Transaction& tx) {
    return tx.volumes().another_uses_key(key, volume) || tx.backups().another_uses_key(key, backup);
  });
  if (needed || backend_.uses_key(key) || (needs_key_ && needs_key_(key))) return;
  keys_.remove(key);
  backend_.forget_key(key);
}

}  // namespace varve::services
