// Chains of kept snapshots that have grown long get shortcuts (shortcut.h) when there is nothing to merge: one volume
// at a time, some seconds after it has got long, so that snapshots that follow one another fast cost one shortcut.

#include <algorithm>

#include "backends/qcow2/qcow2_backend.h"
#include "base/files.h"

namespace varve::qcow2 {

namespace {

// A shortcut copies at most this part of the volume's size, within bounds, and only while a part of the pool is free.
constexpr std::uint64_t kCopiedShare = 32;
constexpr std::uint64_t kLeastCopied = 64ULL << 20;
constexpr std::uint64_t kMostCopied = 4ULL << 30;
constexpr std::uint64_t kFreeShare = 10;

bool has_much_room(const std::filesystem::path& pool) {
  files::Space space = files::space(pool);
  return space.available >= space.total / kFreeShare;
}

}  // namespace

bool Qcow2Backend::is_long(std::size_t layers) const {
  return config_.long_chain > 0 && static_cast<std::int64_t>(layers) > config_.long_chain;
}

void Qcow2Backend::note_depth(const VolumeId& volume) {
  bool is_deep = is_long(graph_.chain(manifests_.at(volume).active).size());
  is_deep ? deep_.add(volume, clock_.steady()) : deep_.remove(volume);
}

std::optional<Qcow2Backend::RunningMerge> Qcow2Backend::pick_shortcut() {
  while (std::optional<VolumeId> volume = next_deep()) {
    std::vector<ChainLayer> chain = deep_chain(*volume);
    if (chain.empty()) continue;
    std::optional<Merge> shortcut = shortcut_of(chain);
    if (!shortcut) forget_depth(*volume, chain.size());
    for (; shortcut; shortcut = shortcut_of(chain)) {
      bool has_room = has_much_room(images_.pool_of(shortcut->target).root);
      std::optional<RunningMerge> begun = has_room ? try_to_begin(*shortcut) : std::nullopt;
      if (begun) return begun;
      std::ranges::find(chain, shortcut->target, &ChainLayer::id)->fixed = true;
    }
  }
  return std::nullopt;
}

std::optional<VolumeId> Qcow2Backend::next_deep() {
  MutexLock graph(graph_mutex_);
  return interrupted_ ? std::nullopt : deep_.next(clock_.steady());
}

// Top first; empty when the volume is gone, or cannot be read. The sizes matter while somebody has it open
// (live_part()).
std::vector<ChainLayer> Qcow2Backend::deep_chain(const VolumeId& volume) const {
  std::vector<ChainLayer> chain;
  bool is_open = false;
  {
    MutexLock graph(graph_mutex_);
    auto found = manifests_.find(volume);
    if (found == manifests_.end()) return chain;
    std::set<LayerId> stay = roots();
    is_open = opened_.contains(volume.str());
    for (const LayerId& layer : graph_.chain(found->second.active)) {
      chain.push_back({.id = layer, .stays = stay.contains(layer)});
    }
  }
  for (ChainLayer& layer : chain) {
    layer.bytes = files::allocated_bytes(images_.file(layer.id));
    if (!is_open && layer.id != chain.front().id) continue;
    std::expected<Header, std::string> header = read_header(images_.file(layer.id));
    if (!header) return {};
    layer.size = header->virtual_size;
  }
  return chain;
}

// Unless the chain has changed since it was looked at.
void Qcow2Backend::forget_depth(const VolumeId& volume, std::size_t seen) {
  MutexLock graph(graph_mutex_);
  auto found = manifests_.find(volume);
  if (found != manifests_.end() && graph_.chain(found->second.active).size() == seen) deep_.remove(volume);
}

std::optional<Merge> Qcow2Backend::shortcut_of(const std::vector<ChainLayer>& chain) const {
  if (!is_long(chain.size())) return std::nullopt;
  std::uint64_t most = std::clamp(chain.front().size / kCopiedShare, kLeastCopied, kMostCopied);
  return find_shortcut(chain, static_cast<std::size_t>(config_.long_chain), most);
}

// Into a layer that is frozen, over layers none of which is a root.
bool Qcow2Backend::is_shortcut(const Merge& merge, const std::set<LayerId>& busy) const {
  if (!merge.base || !graph_.contains(merge.target) || busy.contains(merge.target)) return false;
  if (graph_.children(merge.target) == 0 || graph_.damage(merge.target)) return false;
  std::vector<LayerId> chain = graph_.chain(merge.target);
  auto base = std::ranges::find(chain, *merge.base);
  auto hinders = [&, roots = roots()](const LayerId& layer) { return busy.contains(layer) || roots.contains(layer); };
  return base != chain.end() && base != chain.begin() && std::none_of(chain.begin() + 1, base, hinders);
}

}  // namespace varve::qcow2
