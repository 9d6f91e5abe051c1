// What can be asked of the backend.

#include <algorithm>

#include "backends/qcow2/holds.h"
#include "base/error.h"
#include "base/files.h"
#include "base/log.h"

namespace varve::qcow2 {

namespace {
constexpr std::uint64_t kLeast = 1 << 20;  // below that, an image is hardly made
}

bool Qcow2Backend::has_volume(const VolumeId& volume) {
  MutexLock graph(graph_mutex_);
  return manifests_.contains(volume) || unreadable_.contains(volume);
}

void Qcow2Backend::expect(std::set<VolumeId> lost) {
  MutexLock graph(graph_mutex_);
  lost_ = std::move(lost);
}

std::optional<std::string> Qcow2Backend::damage(const model::Source& source) {
  const VolumeId& volume = source.volume;
  MutexLock graph(graph_mutex_);
  if (auto fault = unreadable_.find(volume); fault != unreadable_.end()) {
    return "its manifest cannot be read: " + fault->second;
  }
  auto found = manifests_.find(volume);
  if (found == manifests_.end()) return "it has no manifest";
  LayerId top = unfinished_.contains(volume) ? unfinished_.at(volume) : found->second.active;
  if (!graph_.contains(top)) top = found->second.active;
  if (source.snapshot) {
    auto frozen = found->second.snapshots.find(*source.snapshot);
    if (frozen == found->second.snapshots.end()) return "its volume's manifest does not name it";
    top = frozen->second.layer;
  }
  std::optional<Damage> fault = graph_.damage(top);
  if (!fault) return std::nullopt;
  return "layer " + fault->layer.str() + ": " + fault->reason;
}

bool Qcow2Backend::uses_key(const KeyId& key) {
  MutexLock graph(graph_mutex_);
  if (!unreadable_.empty() || !lost_.empty()) return true;
  return std::ranges::any_of(manifests_, [&](const auto& entry) { return entry.second.key == key; });
}

bool Qcow2Backend::stands_below(const LayerId& layer) const {
  MutexLock graph(graph_mutex_);
  return graph_.children(layer) > 0;
}

backends::Usage Qcow2Backend::usage(const model::Source& source) {
  Manifest from = manifest(source.volume);
  LayerId top = from.active;
  if (source.snapshot) {
    auto found = from.snapshots.find(*source.snapshot);
    if (found == from.snapshots.end()) missing("snapshot", source.snapshot->str());
    top = found->second.layer;
  }
  backends::Usage usage;
  for (const LayerId& layer : chain_of(top)) usage.allocated += files::allocated_bytes(images_.file(layer));
  // A snapshot's layer is merged into a child when it goes, so it frees its own bytes only when nothing stands on it.
  if (!source.snapshot || !stands_below(top)) usage.exclusive = files::allocated_bytes(images_.file(top));
  return usage;
}

std::vector<VolumeId> Qcow2Backend::volumes() {
  MutexLock graph(graph_mutex_);
  std::vector<VolumeId> out;
  for (const auto& [id, manifest] : manifests_) out.push_back(id);
  return out;
}

std::vector<std::string> Qcow2Backend::pools() const {
  std::vector<std::string> names;
  for (const Pool& pool : images_.pools()) names.push_back(pool.name);
  return names;
}

backends::Capacity Qcow2Backend::capacity(const std::string& pool) {
  files::Space space;
  try {
    if (images_.find_pool(pool) == nullptr) return {.unavailable = true};
    require_mounted(pool);
    space = files::space(images_.pool(pool).root);
  } catch (const Error& fault) {
    log::debug("a pool's disk cannot be examined", {{"pool", pool}, {"error", fault.message()}});
    return {.unavailable = true};
  }
  bool full = space.available < std::max(config_.min_free_bytes, kLeast);
  return {space.total, space.available, space.read_only, full, false};
}

// A pool is told from the others by its own backend name; the default one has had the driver's.
model::Metadata Qcow2Backend::capabilities(const std::string& pool) const {
  const Pool* found = images_.find_pool(pool);  // one that is not configured any more may still have volumes
  std::string name = found == nullptr ? pool : found->name;
  return {{"volume_backend_name", name == kDefaultPool ? "qcow2" : name},
          {"storage_protocol", "nbd"},
          {"vendor_name", "Varve"},
          {"driver_version", "1.0"},
          {"pool_name", name}};
}

}  // namespace varve::qcow2
