// Damage may have been an I/O fault that has passed, somebody put a file back, or a pool's disk is there again: what is
// damaged is looked at again from time to time.

#include <algorithm>
#include <ranges>

#include "backends/qcow2/qcow2_backend.h"
#include "base/files.h"
#include "base/log.h"

namespace varve::qcow2 {

namespace {
constexpr std::chrono::steady_clock::duration kLookEvery = std::chrono::seconds(5);

// It is certain that no file of the layer is there; before and after the look the pool's disk is.
bool is_empty_of(const Pool& pool, const LayerId& layer) {
  if (!files::is_directory(pool.layers())) return false;
  for (const auto& directory : {pool.layers(), pool.quarantine()}) {
    for (const auto& file : files::list(directory)) {
      if (file.filename().string().starts_with(layer.str())) return false;
    }
  }
  return files::is_directory(pool.layers());
}
}  // namespace

// The volumes that need a layer which is damaged.
void Qcow2Backend::note_damaged() {
  damaged_.clear();
  if (graph_.damaged().empty()) return;
  for (const auto& [id, manifest] : manifests_) {
    for (const LayerId& top : manifest.tops()) {
      if (graph_.contains(top) && graph_.damage(top)) damaged_.insert(id);
    }
  }
}

bool Qcow2Backend::look_again() {
  std::vector<LayerId> damaged;
  {
    MutexLock graph(graph_mutex_);
    if ((damaged_.empty() && absent_.empty()) || clock_.steady() < next_look_) return false;
    next_look_ = clock_.steady() + kLookEvery;
    damaged = graph_.damaged();
  }
  look_for_absent();
  if (damaged.empty()) return false;
  std::set<std::string> unusable = unusable_pools();
  bool mended = false;
  for (const LayerId& layer : damaged) mended |= mend(layer, unusable);
  if (!mended) return false;
  MutexLock graph(graph_mutex_);
  note_damaged();
  ++damage_version_;
  return true;
}

// Before it is opened or rolled back to, and when QEMU could not open it: what of it cannot be read is damaged from now
// on. Throws Error(Unavailable) when that is not known, as a pool does not answer.
void Qcow2Backend::find_damage(const std::vector<LayerId>& chain, bool top_is_written) {
  require_answering(chain);
  bool found = false;
  for (const LayerId& layer : chain) {
    bool is_written = top_is_written && layer == chain.front();
    std::expected<Header, std::string> header = read_whole(images_.file(layer), is_written);
    if (!header) header = read_whole(images_.file(layer), is_written);  // the fault may have been of a moment
    if (header) continue;
    log::error("a layer is damaged", {{"layer", layer}, {"reason", header.error()}});
    MutexLock graph(graph_mutex_);
    if (!graph_.contains(layer)) continue;
    graph_.hurt(layer, header.error());
    found = true;
  }
  if (!found) return;
  {
    MutexLock graph(graph_mutex_);
    note_damaged();
    ++damage_version_;
  }
  notify_work();
}

// Of some volume.
bool Qcow2Backend::is_active(const LayerId& layer) const {
  MutexLock graph(graph_mutex_);
  return std::ranges::any_of(manifests_, [&](const auto& entry) { return entry.second.active == layer; });
}

// A layer that can be read, and whose parent is known. That of a pool which cannot be used stays damaged: the pool may
// be another store's, and a disk that hangs may still let its files be read.
bool Qcow2Backend::mend(const LayerId& layer, const std::set<std::string>& unusable) {
  if (!images_.locate(layer, unusable)) return forget_overlay(layer, unusable);
  std::expected<Header, std::string> header = read_whole(images_.file(layer), is_active(layer));
  if (!header || (header->has_backing && !header->parent)) return false;
  if (header->parent) discover(*header->parent, unusable);
  MutexLock graph(graph_mutex_);
  std::optional<Damage> damage = graph_.damage(layer);
  if (!damage || damage->layer != layer) return false;
  if (header->parent) {
    std::vector<LayerId> below = graph_.chain(*header->parent);
    if (std::ranges::find(below, layer) != below.end()) return false;  // it would stand on itself
  }
  graph_.mend(layer, header->parent);
  note_dropped_by(layer);
  log::warning("a damaged layer is whole again", {{"layer", layer}});
  return true;
}

// The overlay of a switch that an earlier version began, whose pool is here again and does not have it: it was never
// made. Should the pool go again, or not tell, nothing is known.
bool Qcow2Backend::forget_overlay(const LayerId& layer, const std::set<std::string>& unusable) {
  std::optional<std::string> pool;
  {
    MutexLock graph(graph_mutex_);
    for (const auto& [id, manifest] : manifests_) {
      const std::optional<Intent>& intent = manifest.intent;
      if (intent && !intent->made && intent->overlay == layer) pool = manifest.overlay_pool();
    }
    if (!pool || graph_.children(layer) > 0) return false;
  }
  try {
    if (unusable.contains(*pool) || !is_empty_of(images_.pool(*pool), layer)) return false;
  } catch (const Error& fault) {
    log::warning("a layer is looked for in vain", {{"layer", layer}, {"error", fault.message()}});
    return false;
  }
  MutexLock graph(graph_mutex_);
  if (!graph_.contains(layer) || graph_.children(layer) > 0) return false;
  graph_.remove(layer);
  return true;
}

// What was let go of goes on being on record when its file is there again.
void Qcow2Backend::note_dropped_by(const LayerId& layer) {
  for (const auto& [id, manifest] : manifests_) {
    if (manifest.dropped.contains(layer)) dropped_[layer] = id;
  }
}

// Layers that nobody could know of as long as the one above them was not readable: from this one to the first that is
// known. Those that no manifest lists as dropped are kept.
void Qcow2Backend::discover(const LayerId& top, const std::set<std::string>& unusable) {
  struct Found {
    LayerId layer;
    std::optional<LayerId> parent;
    std::string damage;
  };
  std::vector<Found> found;
  auto is_new = [&](const LayerId& layer) {
    return !is_known(layer) && std::ranges::find(found, layer, &Found::layer) == found.end();
  };
  for (std::optional<LayerId> next = top; next && is_new(*next); next = found.back().parent) {
    std::expected<Header, std::string> header = std::unexpected("its file is not there");
    if (images_.locate(*next, unusable)) header = read_whole(images_.file(*next), false);
    found.push_back({*next, header ? header->parent : std::nullopt, header ? "" : header.error()});
  }
  MutexLock graph(graph_mutex_);
  for (const Found& one : found | std::views::reverse) {
    if (graph_.contains(one.layer)) continue;
    bool stands = one.parent && graph_.contains(*one.parent);
    graph_.add(one.layer, stands ? one.parent : std::nullopt,
               one.parent && !stands ? "it stands on itself" : one.damage);
    note_dropped_by(one.layer);
    if (!dropped_.contains(one.layer)) graph_.refer(one.layer);
  }
}

}  // namespace varve::qcow2
