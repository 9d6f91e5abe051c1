// Merges: layers that nothing refers to go into what stands on them, cloned volumes are made independent of their
// sources. Several run at a time, one a chain; an operation stops those that are in its way.

#include <algorithm>

#include "backends/qcow2/daemon_keys.h"
#include "backends/qcow2/holds.h"
#include "backends/qcow2/qcow2_backend.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/files.h"
#include "base/log.h"

namespace varve::qcow2 {

namespace {

// A merge of so little is waited for rather than stopped and begun anew.
constexpr std::uint64_t kSmall = 32ULL << 20;
constexpr auto kGrace = std::chrono::seconds(2);
// Layers of deleted snapshots that may wait in one chain before the next snapshot has to wait for them, and how long it
// waits while nothing moves.
constexpr std::size_t kMostPending = 32;
constexpr auto kNoProgress = std::chrono::seconds(60);
// In which a daemon that is well answers. Who works in the background waits no longer before it begins: others wait
// too.
constexpr auto kMoment = std::chrono::seconds(1);
// In the chain of an open volume so many are first merged among themselves.
constexpr std::size_t kCompact = 3;

}  // namespace

// Who has a chain open that goes through this layer.
std::vector<std::string> Qcow2Backend::holders(const LayerId& layer) const {
  std::vector<std::string> out;
  for (const auto& [key, opened] : opened_) {
    std::vector<LayerId> chain = graph_.chain(opened.top);
    if (std::ranges::find(chain, layer) != chain.end()) out.push_back(opened.daemon);
  }
  return out;
}

// Every merge that is wanted, those first that come behind the one that was begun last: none waits for ever behind
// others.
std::vector<Merge> Qcow2Backend::wanted_merges() const {
  std::set<LayerId> busy = busy_layers();
  std::vector<Merge> wanted = graph_.merges(busy);
  for (const VolumeId& volume : dependents_) {
    const LayerId& root = manifests_.at(volume).root;
    if (busy.contains(root) || !graph_.contains(root) || graph_.damage(root)) continue;
    wanted.push_back({root, std::nullopt});
  }
  std::ranges::sort(wanted, {}, &Merge::target);
  auto next = std::ranges::upper_bound(wanted, last_begun_, {}, &Merge::target);
  std::ranges::rotate(wanted, next);
  return wanted;
}

// Does one of them write what the other reads?
bool Qcow2Backend::conflicts(const LayerId& target) const {
  auto stands_on = [&](const LayerId& top, const LayerId& layer) VARVE_REQUIRES(graph_mutex_) {
    std::vector<LayerId> chain = graph_.chain(top);
    return std::ranges::find(chain, layer) != chain.end();
  };
  return std::ranges::any_of(running_, [&](const auto& entry) VARVE_REQUIRES(graph_mutex_) {
    return stands_on(target, entry.first) || stands_on(entry.first, target);
  });
}

// A merge copies at most what the layers that it swallows occupy; they go only afterwards.
std::uint64_t Qcow2Backend::bytes_of(const Merge& merge) const {
  std::uint64_t bytes = 0;
  std::vector<LayerId> chain = chain_of(merge.target);
  for (std::size_t i = 1; i < chain.size() && !(merge.base && chain[i] == *merge.base); ++i) {
    bytes += files::allocated_bytes(images_.file(chain[i]));
  }
  return bytes;
}

bool Qcow2Backend::has_room_for(const Merge& merge, std::uint64_t bytes) const {
  return files::space(images_.pool_of(merge.target).root).available >= config_.min_free_bytes + bytes;
}

// The first part of a merge that may run while the chain is read; nullopt: none, or an image cannot be read. QEMU 7.2
// answers reads behind the end of a shorter parent with whatever its buffer holds while a merge runs (its copy-on-read
// filter stops at the parent's end and reports success): a layer that has outgrown one that it swallows is merged only
// while nobody reads it.
std::optional<Merge> Qcow2Backend::live_part(const Merge& merge) const {
  std::vector<LayerId> layers = chain_of(merge.target);
  if (merge.base) layers.erase(std::ranges::find(layers, *merge.base), layers.end());
  std::vector<std::int64_t> sizes;
  for (const LayerId& layer : layers) {
    std::expected<Header, std::string> header = read_header(images_.file(layer));
    if (!header) return std::nullopt;
    sizes.push_back(static_cast<std::int64_t>(header->virtual_size));
  }
  for (std::size_t top = 0; top + 1 < layers.size(); ++top) {
    std::size_t end = top + 1;
    while (end < layers.size() && sizes[end] >= sizes[top]) ++end;
    if (end > top + 1) return Merge{layers[top], end < layers.size() ? std::optional(layers[end]) : merge.base};
  }
  return std::nullopt;
}

// What of a merge can run now. One daemon that has the chain open does the work itself; two may read one layer, and
// none may write it then. Layers that must wait until somebody closes the chain are not waited for.
std::optional<Merge> Qcow2Backend::runnable(const Merge& merge) {
  std::size_t readers = 0;
  std::vector<LayerId> dropped;
  {
    MutexLock graph(graph_mutex_);
    readers = holders(merge.target).size();
    dropped = graph_.dropped_by(merge, busy_layers());
  }
  if (readers == 0) return merge;
  std::optional<Merge> part = readers == 1 ? live_part(merge) : std::nullopt;
  if (part && (part == merge || !dropped.empty())) return part;
  MutexLock graph(graph_mutex_);
  for (const LayerId& layer : dropped) blocked_.insert(layer);
  if (!dropped.empty()) merge_ended_.notify_all();
  return std::nullopt;
}

// The layers below an open volume's active one are first merged among themselves but for the lowest, which may be as
// large as the volume: that is little work, and a next snapshot need not stop it.
Merge Qcow2Backend::compacted(const Merge& merge) const {
  if (holders(merge.target).empty()) return merge;
  std::vector<LayerId> run = graph_.dropped_by(merge, busy_layers());
  if (run.size() < kCompact) return merge;
  return {run.front(), run.back()};
}

// Begins the merge unless somebody has opened its chain meanwhile.
bool Qcow2Backend::begin(const Merge& merge, std::uint64_t bytes, bool may_be_live) {
  if (interrupted_ || conflicts(merge.target)) return false;
  std::vector<std::string> open_in = holders(merge.target);
  if (open_in.size() > 1 || (!open_in.empty() && !may_be_live)) return false;
  std::string own = std::string(kMergeKey) + merge.target.str();
  running_[merge.target] = {merge, open_in.empty() ? own : open_in.front(), bytes <= kSmall, false};
  last_begun_ = merge.target;
  return true;
}

// Not the wish alone: a snapshot may have been made since it was uttered.
bool Qcow2Backend::is_wanted(const Merge& merge) const {
  std::set<LayerId> busy = busy_layers();
  if (!graph_.dropped_by(merge, busy).empty() || is_shortcut(merge, busy)) return true;
  if (merge.base || !graph_.contains(merge.target) || busy.contains(merge.target)) return false;
  return roots().contains(merge.target);
}

// Of the volumes that still share layers with their source.
std::set<LayerId> Qcow2Backend::roots() const {
  std::set<LayerId> out;
  for (const VolumeId& volume : dependents_) out.insert(manifests_.at(volume).root);
  return out;
}

std::optional<Qcow2Backend::RunningMerge> Qcow2Backend::pick_merge() {
  std::vector<Merge> wanted;
  {
    MutexLock graph(graph_mutex_);
    if (interrupted_) return std::nullopt;
    for (const Merge& merge : wanted_merges()) {
      if (conflicts(merge.target)) continue;
      if (Merge first = compacted(merge); first != merge) wanted.push_back(first);
      wanted.push_back(merge);
    }
  }
  for (const Merge& merge : wanted) {
    if (std::optional<RunningMerge> begun = try_to_begin(merge)) return begun;
  }
  return std::nullopt;
}

std::optional<Qcow2Backend::RunningMerge> Qcow2Backend::try_to_begin(const Merge& wish) {
  std::optional<Merge> merge = runnable(wish);
  if (!merge) return std::nullopt;
  std::uint64_t bytes = bytes_of(*merge);
  if (!has_room_for(*merge, bytes)) return std::nullopt;
  bool may_be_live = live_part(*merge) == merge;
  MutexLock graph(graph_mutex_);
  if (!is_wanted(*merge) || !begin(*merge, bytes, may_be_live)) return std::nullopt;
  return running_.at(merge->target);
}

bool Qcow2Backend::run_one_merge() {
  std::optional<RunningMerge> picked = pick_merge();
  if (!picked) picked = pick_shortcut();
  if (!picked) return false;
  const LayerId target = picked->merge.target;
  try {
    run_merge(*picked);
    require_merged(picked->merge);
    finish_merge(picked->merge);
  } catch (const Error& fault) {
    if (!was_cancelled(target)) postpone(target, fault);
  } catch (const std::exception& fault) {  // a fault of ours; the others go on
    postpone(target, Error(ErrorCode::Internal, fault.what()));
  }
  {
    MutexLock graph(graph_mutex_);
    running_.erase(target);
  }
  merge_ended_.notify_all();
  keep_roots();
  return true;
}

bool Qcow2Backend::was_cancelled(const LayerId& target) const {
  MutexLock graph(graph_mutex_);
  return interrupted_ || running_.at(target).cancelled;
}

// Of the volume that reads through the layer; a layer that is merged is read by one.
KeyId Qcow2Backend::key_of(const LayerId& layer) const {
  MutexLock graph(graph_mutex_);
  for (const auto& [id, manifest] : manifests_) {
    if (!manifest.key.empty() && layers_of(manifest).contains(layer)) return manifest.key;
  }
  return KeyId();
}

void Qcow2Backend::run_merge(const RunningMerge& running) {
  const Merge& merge = running.merge;
  std::vector<LayerId> chain = chain_of(merge.target);
  if (chain.size() == 1 || (merge.base && chain[1] == *merge.base)) return;  // already there
  // What is merged is written down as it reads, and what it was can then not be put back any more.
  auto base = merge.base ? std::ranges::find(chain, *merge.base) : chain.end();
  find_damage({chain.begin(), base}, is_active(merge.target));
  require_sound("what is to be merged", merge.target);
  KeyId key = key_of(merge.target);
  if (!running.daemon.starts_with(kMergeKey)) {
    run_live_merge(running, key);
    return;
  }
  std::shared_ptr<qemu::StorageDaemon> daemon = daemons_.start(running.daemon);
  FAILPOINT("layer.merge.before_stream");
  try {
    images_.open_chain(daemon->qmp(), chain, true, key);
    images_.stream(daemon->qmp(), merge.target, merge.base, key);
    FAILPOINT("layer.merge.after_stream");
    daemons_.stop(running.daemon);
  } catch (const Error&) {
    daemons_.discard(running.daemon);
    throw;
  }
}

// The daemon has the chain open, and goes on with it; when it has died, the merge is tried again later. Of a merge that
// is tried again only what is left is done.
void Qcow2Backend::run_live_merge(const RunningMerge& running, const KeyId& key) {
  const Merge& merge = running.merge;
  std::shared_ptr<qemu::StorageDaemon> daemon = daemons_.find(running.daemon);
  if (!daemon) throw Error(ErrorCode::Unavailable, "the storage daemon " + running.daemon + " is gone");
  qemu::QmpClient& qmp = daemon->qmp();
  if (!qmp.answers_by(steady_now() + kMoment)) {
    throw Error(ErrorCode::Unavailable, "the storage daemon " + running.daemon + " does not answer now");
  }
  FAILPOINT("layer.merge.before_stream");
  bool is_frozen = !is_active(merge.target);
  try {
    if (!images_.stands_on(qmp, merge.target, merge.base)) images_.stream(qmp, merge.target, merge.base, key);
  } catch (const Error&) {
    if (is_frozen) images_.seal(qmp, {merge.target}, key);
    throw;
  }
  if (is_frozen) images_.seal(qmp, {merge.target}, key);
  FAILPOINT("layer.merge.after_stream");
  // Closed by name: a snapshot that is just being made may have opened a layer that no chain has yet.
  std::vector<LayerId> swallowed = chain_of(merge.target);
  for (std::size_t i = 1; i < swallowed.size() && !(merge.base && swallowed[i] == *merge.base); ++i) {
    images_.close_node(qmp, swallowed[i]);
  }
}

// What is swallowed goes only when the image itself says that it does not need it.
void Qcow2Backend::require_merged(const Merge& merge) const {
  if (require_header(images_.file(merge.target)).parent == merge.base) return;
  throw Error(ErrorCode::BackendFailed, "the merge into " + merge.target.str() + " has not reached the image");
}

// The images are as they should be; now the memory. A merge down to nothing made the volume whose root is the target
// independent; a merge that swallowed a volume's root made the target its root.
void Qcow2Backend::finish_merge(const Merge& merge) {
  MutexLock graph(graph_mutex_);
  std::set<LayerId> merged;
  for (const LayerId& layer : graph_.chain(merge.target)) {
    if (merge.base && layer == *merge.base) break;
    merged.insert(layer);
  }
  for (const VolumeId& volume : std::set(dependents_)) {
    Manifest& manifest = manifests_.at(volume);
    if (!merged.contains(manifest.root)) continue;
    manifest.root = merge.base ? merge.target : LayerId();
    if (manifest.root.empty()) dependents_.erase(volume);
    unkept_roots_.insert(volume);
  }
  graph_.reparent(merge);
  postponed_.erase(merge.target);
  log::debug("layers merged", {{"layer", merge.target}, {"swallowed", static_cast<std::int64_t>(merged.size()) - 1}});
}

// Writes down the roots that merges have changed. A volume that somebody works on has its turn later; a start that
// finds a root gone knows what that means.
void Qcow2Backend::keep_roots() {
  std::set<VolumeId> unkept;
  {
    MutexLock graph(graph_mutex_);
    unkept = unkept_roots_;
  }
  for (const VolumeId& volume : unkept) keep_root(volume);
}

void Qcow2Backend::keep_root(const VolumeId& volume) {
  KeyedMutex::Lock lock(volume_locks_, volume.str(), std::try_to_lock);
  if (!lock.owns()) return;
  std::optional<Manifest> present;
  {
    MutexLock graph(graph_mutex_);
    auto found = manifests_.find(volume);
    if (found != manifests_.end()) present = found->second;
    unkept_roots_.erase(volume);
  }
  if (!present) return;
  FAILPOINT("layer.merge.before_root");
  try {
    write_down(*present);
    if (present->root.empty()) log::info("volume made independent of its source", {{"volume", volume}});
  } catch (const Error& fault) {
    log::warning("a merge is not noted in the manifest yet", {{"volume", volume}, {"error", fault.message()}});
    note_unkept_root(volume);
  }
}

void Qcow2Backend::note_unkept_root(const VolumeId& volume) {
  MutexLock graph(graph_mutex_);
  unkept_roots_.insert(volume);
}

// No merge into one of them begins until they are let go of.
void Qcow2Backend::hold_layers(const std::set<LayerId>& layers) {
  for (const LayerId& layer : layers) held_.insert(layer);
}

void Qcow2Backend::let_go_of(const std::set<LayerId>& layers) {
  {
    MutexLock graph(graph_mutex_);
    for (const LayerId& layer : layers) held_.erase(held_.find(layer));
  }
  notify_work();
}

// Stops the running merges into one of these layers and waits for their end; small ones are left to end. The layers are
// held, so none starts anew.
void Qcow2Backend::stop_merges(const std::set<LayerId>& layers) {
  MutexLock graph(graph_mutex_);
  auto concerned = [&]() VARVE_REQUIRES(graph_mutex_) {
    std::vector<RunningMerge> out;
    for (const auto& [target, running] : running_) {
      if (layers.contains(target)) out.push_back(running);
    }
    return out;
  };
  auto are_small = [](const std::vector<RunningMerge>& merges) {
    return std::ranges::all_of(merges, &RunningMerge::small);
  };
  if (!interrupted_ && are_small(concerned())) {
    merge_ended_.wait_for(graph_mutex_, kGrace,
                          [&]() VARVE_REQUIRES(graph_mutex_) { return concerned().empty() || interrupted_; });
  }
  for (std::vector<RunningMerge> left = concerned(); !left.empty(); left = concerned()) {
    for (const RunningMerge& merge : left) running_.at(merge.merge.target).cancelled = true;
    graph.unlock();
    for (const RunningMerge& merge : left) {
      auto daemon = daemons_.known(merge.daemon);
      if (daemon) daemon->qmp().cancel_job(Images::stream_job(merge.merge.target));
    }
    graph.lock();
    // The job may not have begun when it was cancelled: ask again until the merge is over.
    merge_ended_.wait_for(graph_mutex_, std::chrono::milliseconds(20),
                          [&]() VARVE_REQUIRES(graph_mutex_) { return concerned().empty(); });
  }
}

void Qcow2Backend::interrupt_maintenance() {
  std::set<LayerId> targets;
  {
    MutexLock graph(graph_mutex_);
    interrupted_ = true;
    for (const auto& [target, running] : running_) targets.insert(target);
  }
  merge_ended_.notify_all();
  stop_merges(targets);
}

// In the chain of the volume's active layer.
bool Qcow2Backend::is_merging(const VolumeId& volume) const {
  auto found = manifests_.find(volume);
  if (found == manifests_.end()) return false;
  std::vector<LayerId> chain = graph_.chain(found->second.active);
  return std::ranges::any_of(
      chain, [&](const LayerId& layer) VARVE_REQUIRES(graph_mutex_) { return running_.contains(layer); });
}

// Those in the chain of the volume's active layer that can be merged.
std::size_t Qcow2Backend::pending_layers(const VolumeId& volume) const {
  auto found = manifests_.find(volume);
  if (found == manifests_.end()) return 0;
  std::vector<LayerId> chain = graph_.chain(found->second.active);
  auto is_pending = [&](const LayerId& layer) VARVE_REQUIRES(graph_mutex_) {
    return graph_.references(layer) == 0 && !blocked_.contains(layer);
  };
  auto pending = static_cast<std::size_t>(std::ranges::count_if(chain, is_pending));
  bool full = static_cast<std::int64_t>(chain.size()) >= config_.max_chain_depth;
  return full || pending >= kMostPending ? pending : 0;
}

void Qcow2Backend::make_way(const VolumeId& volume) {
  notify_work();
  MutexLock graph(graph_mutex_);
  auto waiting = awaited_.insert(volume);
  for (std::size_t before = pending_layers(volume); before > 0 && !interrupted_; before = pending_layers(volume)) {
    auto moves = [&]() VARVE_REQUIRES(graph_mutex_) { return interrupted_ || pending_layers(volume) < before; };
    bool moved = merge_ended_.wait_for(graph_mutex_, kNoProgress, moves);
    if (moved || is_merging(volume)) continue;
    log::warning("deleted snapshots of a volume cannot be merged now", {{"volume", volume}});
    break;
  }
  awaited_.erase(waiting);
}

int Qcow2Backend::layers_awaited(const VolumeId& volume) const {
  MutexLock graph(graph_mutex_);
  return awaited_.contains(volume) ? static_cast<int>(pending_layers(volume)) : 0;
}

int Qcow2Backend::independence_percent(const VolumeId& volume) {
  std::string key;
  LayerId root;
  {
    MutexLock graph(graph_mutex_);
    if (!dependents_.contains(volume)) return 100;
    root = manifests_.at(volume).root;
    auto running = running_.find(root);
    if (running == running_.end() || running->second.merge.base) return 0;
    key = running->second.daemon;
  }
  std::shared_ptr<qemu::StorageDaemon> daemon = daemons_.known(key);
  if (!daemon) return 0;
  qemu::JobProgress progress = daemon->qmp().job_progress(Images::stream_job(root));
  if (progress.total <= 0) return 0;
  return static_cast<int>(std::min<std::int64_t>(99, progress.current * 100 / progress.total));
}

}  // namespace varve::qcow2
