// The background work of the layer tree: layers that nothing refers to are removed or merged into their only child,
// cloned volumes are made independent of their sources. What is to be done follows from the graph alone, so that
// nothing needs to be remembered over a restart; a merge that was cut off is simply run again.

#include <algorithm>

#include "backends/qcow2/qcow2_backend.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/files.h"
#include "base/log.h"
#include "base/quarantine.h"

namespace varve::qcow2 {

namespace fs = std::filesystem;

namespace {
// A merge of layers that nobody has open has a storage daemon of its own: one that hangs is nobody else's trouble.
constexpr std::string_view kMergeKey = "merge-";
// What fails is tried again after a second, and then less and less often.
constexpr std::chrono::steady_clock::duration kFirstWait = std::chrono::seconds(1);
constexpr std::chrono::steady_clock::duration kLongestWait = std::chrono::minutes(5);
}  // namespace

bool Qcow2Backend::maintain() {
  spares_.keep();
  daemons_.stop_discarded();
  return remove_one_layer() || merge_one_layer() || look_again();
}

// Layers that maintenance must leave alone now. graph_mutex_ is held.
std::set<LayerId> Qcow2Backend::busy_layers() const {
  std::set<LayerId> busy(held_.begin(), held_.end());
  for (const auto& [volume, overlay] : unfinished_) busy.insert(overlay);
  for (const auto& [layer, entry] : postponed_) {
    if (entry.until > clock_.steady()) busy.insert(layer);
  }
  return busy;
}

// A layer that nothing refers to or stands on and that was dropped goes; one of which no deletion is on record is set
// aside.
bool Qcow2Backend::remove_one_layer() {
  std::optional<LayerId> layer = pick_removable();
  if (!layer) return false;
  try {
    remove_layer(*layer);
  } catch (const Error& fault) {
    postpone(*layer, fault);
  }
  return true;
}

std::optional<LayerId> Qcow2Backend::pick_removable() const {
  std::lock_guard graph(graph_mutex_);
  std::set<LayerId> busy = busy_layers();
  for (const auto& [key, opened] : opened_) busy.insert(opened.top);
  for (const LayerId& layer : graph_.removable(busy)) {
    if (!may_be_below_damage(layer)) return layer;
  }
  return std::nullopt;
}

// What a damaged layer stands on may be known from its header alone: until it is readable again no layer goes that the
// volume may need. graph_mutex_ is held.
bool Qcow2Backend::may_be_below_damage(const LayerId& layer) const {
  if (damaged_.empty()) return false;
  auto owner = dropped_.find(layer);
  for (const VolumeId& volume : damaged_) {
    auto manifest = manifests_.find(volume);
    if (manifest == manifests_.end()) continue;
    if (owner == dropped_.end() || owner->second == volume || !manifest->second.root.empty()) return true;
  }
  return false;
}

void Qcow2Backend::remove_layer(const LayerId& layer) {
  bool proven = false;
  {
    std::lock_guard graph(graph_mutex_);
    proven = dropped_.contains(layer);
  }
  fs::path file = images_.file(layer);
  if (proven) {
    files::remove_durably(file);
    log::debug("layer removed", {{"layer", layer}});
  } else if (files::exists(file)) {
    set_aside(file, images_.pool_of(layer).quarantine(), "nothing refers to it and no deletion of it is on record");
  }
  FAILPOINT("layer.remove.after_unlink");
  std::optional<VolumeId> finished;
  {
    std::lock_guard graph(graph_mutex_);
    graph_.remove(layer);
    postponed_.erase(layer);
    finished = forget_dropped(layer);
  }
  if (finished) remove_tombstone(*finished);
}

// Returns the deleted volume whose last layer it was. graph_mutex_ is held.
std::optional<VolumeId> Qcow2Backend::forget_dropped(const LayerId& layer) {
  auto owner = dropped_.find(layer);
  if (owner == dropped_.end()) return std::nullopt;
  VolumeId volume = owner->second;
  dropped_.erase(owner);
  if (auto manifest = manifests_.find(volume); manifest != manifests_.end()) manifest->second.dropped.erase(layer);
  auto deleted = deleted_.find(volume);
  if (deleted == deleted_.end()) return std::nullopt;
  deleted->second.erase(layer);
  if (!deleted->second.empty()) return std::nullopt;
  return volume;
}

void Qcow2Backend::remove_tombstone(const VolumeId& volume) {
  KeyedMutex::Lock lock(volume_locks_, volume.str());
  {
    std::lock_guard graph(graph_mutex_);
    auto deleted = deleted_.find(volume);
    if (deleted == deleted_.end() || !deleted->second.empty()) return;
  }
  files::remove_durably(tombstone_file(volume));
  std::lock_guard graph(graph_mutex_);
  deleted_.erase(volume);
}

// It is tried again later and later; what concerns other layers goes on.
void Qcow2Backend::postpone(const LayerId& layer, const Error& fault) {
  log::warning("storage maintenance of a layer failed and will be tried again",
               {{"layer", layer}, {"error", fault.message()}});
  std::lock_guard graph(graph_mutex_);
  Postponed& entry = postponed_[layer];
  entry.wait = std::clamp(entry.wait * 2, kFirstWait, kLongestWait);
  entry.until = clock_.steady() + entry.wait;
}

// Who has a chain open that goes through this layer. graph_mutex_ is held.
std::vector<std::string> Qcow2Backend::holders(const LayerId& layer) const {
  std::vector<std::string> out;
  for (const auto& [key, opened] : opened_) {
    std::vector<LayerId> chain = graph_.chain(opened.top);
    if (std::find(chain.begin(), chain.end(), layer) != chain.end()) out.push_back(opened.daemon);
  }
  return out;
}

std::vector<Merge> Qcow2Backend::wanted_merges() const {
  std::set<LayerId> busy = busy_layers();
  std::vector<Merge> wanted = graph_.merges(busy);
  for (const auto& [id, manifest] : manifests_) {
    if (manifest.root.empty() || busy.contains(manifest.root) || !graph_.contains(manifest.root)) continue;
    if (graph_.damage(manifest.root)) continue;
    wanted.push_back({manifest.root, std::nullopt});
  }
  return wanted;
}

// A merge copies at most what the layers that it swallows occupy; they go only afterwards.
bool Qcow2Backend::has_room_for(const Merge& merge) const {
  std::uint64_t needed = config_.min_free_bytes;
  std::vector<LayerId> chain = chain_of(merge.target);
  for (std::size_t i = 1; i < chain.size() && !(merge.base && chain[i] == *merge.base); ++i) {
    needed += files::allocated_bytes(images_.file(chain[i]));
  }
  return files::space(images_.pool_of(merge.target).root).available >= needed;
}

// QEMU 7.2 answers reads behind the end of a shorter parent with whatever its buffer holds while a merge runs (its
// copy-on-read filter stops at the parent's end and reports success). A layer that has outgrown its parent is merged
// only while nobody reads it.
bool Qcow2Backend::may_run_live(const Merge& merge) const {
  std::vector<LayerId> chain = chain_of(merge.target);
  if (chain.size() < 2) return true;
  std::expected<Header, std::string> target = read_header(images_.file(chain[0]));
  std::expected<Header, std::string> parent = read_header(images_.file(chain[1]));
  return target && parent && parent->virtual_size >= target->virtual_size;
}

std::optional<Qcow2Backend::RunningMerge> Qcow2Backend::pick_merge() {
  std::vector<Merge> wanted;
  {
    std::lock_guard graph(graph_mutex_);
    wanted = wanted_merges();
  }
  std::erase_if(wanted, [&](const Merge& merge) { return !has_room_for(merge); });
  std::vector<Merge> offline_only;
  for (const Merge& merge : wanted) {
    if (!may_run_live(merge)) offline_only.push_back(merge);
  }
  auto among = [](const std::vector<Merge>& merges, const Merge& merge) {
    return std::find(merges.begin(), merges.end(), merge) != merges.end();
  };
  std::lock_guard graph(graph_mutex_);
  if (interrupted_) return std::nullopt;
  for (const Merge& merge : wanted_merges()) {
    if (!among(wanted, merge)) continue;
    std::vector<std::string> open_in = holders(merge.target);
    // Two daemons may read one layer; none may write it then. The merge comes when one of them has closed.
    if (open_in.size() > 1) continue;
    if (!open_in.empty() && among(offline_only, merge)) continue;
    std::string own = std::string(kMergeKey) + merge.target.str();
    running_ = RunningMerge{merge, open_in.empty() ? own : open_in.front(), false};
    return running_;
  }
  return std::nullopt;
}

bool Qcow2Backend::merge_one_layer() {
  std::optional<RunningMerge> picked = pick_merge();
  if (!picked) return false;
  bool done = false;
  try {
    run_merge(*picked);
    finish_merge(*picked);
    done = true;
  } catch (const Error& fault) {
    bool cancelled = was_cancelled();
    if (!cancelled) postpone(picked->merge.target, fault);
    done = true;
  }
  {
    std::lock_guard graph(graph_mutex_);
    running_.reset();
  }
  merge_ended_.notify_all();
  return done;
}

bool Qcow2Backend::was_cancelled() const {
  std::lock_guard graph(graph_mutex_);
  return interrupted_ || (running_ && running_->cancelled);
}

// Of the volume that reads through the layer; a layer that is merged is read by one.
KeyId Qcow2Backend::key_of(const LayerId& layer) const {
  std::lock_guard graph(graph_mutex_);
  for (const auto& [id, manifest] : manifests_) {
    if (!manifest.key.empty() && layers_of(manifest).contains(layer)) return manifest.key;
  }
  return KeyId();
}

void Qcow2Backend::run_merge(const RunningMerge& running) {
  const Merge& merge = running.merge;
  std::vector<LayerId> chain = chain_of(merge.target);
  if (chain.size() == 1 || (merge.base && chain[1] == *merge.base)) return;  // already there
  bool offline = running.daemon.starts_with(kMergeKey);
  std::shared_ptr<qemu::StorageDaemon> daemon = daemons_.start(running.daemon);
  FAILPOINT("layer.merge.before_stream");
  if (!offline) {
    run_live_merge(daemon->qmp(), running);
    return;
  }
  try {
    images_.open_chain(daemon->qmp(), chain, true, key_of(merge.target));
    images_.stream(daemon->qmp(), merge.target, merge.base, key_of(merge.target));
    FAILPOINT("layer.merge.after_stream");
    daemons_.stop(running.daemon);
  } catch (const Error&) {
    daemons_.discard(running.daemon);
    throw;
  }
}

// The daemon has the chain open, and goes on with it. Of a merge that is tried again only what is left is done.
void Qcow2Backend::run_live_merge(qemu::QmpClient& qmp, const RunningMerge& running) {
  const Merge& merge = running.merge;
  if (!images_.stands_on(qmp, merge.target, merge.base)) {
    images_.stream(qmp, merge.target, merge.base, key_of(merge.target));
  }
  FAILPOINT("layer.merge.after_stream");
  std::vector<LayerId> kept;
  {
    std::lock_guard graph(graph_mutex_);
    auto opened = opened_.find(running.daemon);
    if (opened == opened_.end()) return;
    for (const LayerId& layer : graph_.chain(opened->second.top)) {
      kept.push_back(layer);
      if (layer == merge.target) break;
    }
    if (merge.base) {
      for (const LayerId& layer : graph_.chain(*merge.base)) kept.push_back(layer);
    }
  }
  images_.close_others(qmp, kept);
}

// The images are as they should be; now the manifests, then the memory. A merge down to nothing made the volume whose
// root is the target independent; a merge that swallowed a volume's root made the target its root.
void Qcow2Backend::finish_merge(const RunningMerge& running) {
  const Merge& merge = running.merge;
  std::vector<LayerId> swallowed;
  std::vector<Manifest> changed;
  {
    std::lock_guard graph(graph_mutex_);
    for (const LayerId& layer : graph_.chain(merge.target)) {
      if (merge.base && layer == *merge.base) break;
      swallowed.push_back(layer);
    }
    for (const auto& [id, manifest] : manifests_) {
      if (std::find(swallowed.begin(), swallowed.end(), manifest.root) == swallowed.end()) continue;
      changed.push_back(manifest);
      changed.back().root = merge.base ? merge.target : LayerId();
    }
  }
  for (const Manifest& manifest : changed) {
    // The volume's own operations wait for the end of this merge, so the manifest is the present one.
    write_down(manifest);
    if (manifest.root.empty()) log::info("volume made independent of its source", {{"volume", manifest.volume}});
  }
  std::lock_guard graph(graph_mutex_);
  for (const Manifest& manifest : changed) manifests_.at(manifest.volume).root = manifest.root;
  graph_.reparent(merge);
  log::debug("layer merged", {{"layer", merge.target}});
}

// Stops a running merge that touches the chain and waits for its end. The chain's layers are in held_, so none starts
// anew.
void Qcow2Backend::cancel_merges(const std::set<LayerId>& chain) {
  std::unique_lock graph(graph_mutex_);
  if (!running_ || !chain.contains(running_->merge.target)) return;
  running_->cancelled = true;
  while (running_ && chain.contains(running_->merge.target)) {
    std::string job = Images::stream_job(running_->merge.target);
    std::shared_ptr<qemu::StorageDaemon> daemon;
    std::string key = running_->daemon;
    graph.unlock();
    daemon = daemons_.find(key);
    if (daemon) daemon->qmp().cancel_job(job);
    graph.lock();
    // The job may not have begun when it was cancelled: ask again until the merge is over.
    merge_ended_.wait_for(graph, std::chrono::milliseconds(20), [&] { return !running_; });
  }
}

void Qcow2Backend::interrupt_maintenance() {
  std::set<LayerId> target;
  {
    std::lock_guard graph(graph_mutex_);
    interrupted_ = true;
    if (running_) target.insert(running_->merge.target);
  }
  cancel_merges(target);
}

int Qcow2Backend::independence_percent(const VolumeId& volume) {
  std::string key;
  LayerId root;
  {
    std::lock_guard graph(graph_mutex_);
    auto found = manifests_.find(volume);
    if (found == manifests_.end() || found->second.root.empty()) return 100;
    root = found->second.root;
    if (!running_ || running_->merge.target != root || running_->merge.base) return 0;
    key = running_->daemon;
  }
  std::shared_ptr<qemu::StorageDaemon> daemon = daemons_.known(key);
  if (!daemon) return 0;
  qemu::JobProgress progress = daemon->qmp().job_progress(Images::stream_job(root));
  if (progress.total <= 0) return 0;
  return static_cast<int>(std::min<std::int64_t>(99, progress.current * 100 / progress.total));
}

void Qcow2Backend::notify_work() {
  std::function<void()> callback;
  {
    std::lock_guard lock(callback_mutex_);
    callback = on_work_;
  }
  if (callback) callback();
}

}  // namespace varve::qcow2
