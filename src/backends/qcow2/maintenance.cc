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
// What fails is tried again after a second, and then less and less often.
constexpr std::chrono::steady_clock::duration kFirstWait = std::chrono::seconds(1);
constexpr std::chrono::steady_clock::duration kLongestWait = std::chrono::minutes(5);
}  // namespace

bool Qcow2Backend::maintain() {
  spares_.keep();
  daemons_.stop_discarded();
  remove_drafts();
  keep_roots();
  settle_unfinished();
  return remove_one_layer() || run_one_merge() || look_again();
}

// Of layers that were being made when the last varved ended, and that no manifest names: none that is there. One that
// is lost or damaged may name them, and is not known to be before expect().
void Qcow2Backend::remove_drafts() {
  std::vector<fs::path> drafts;
  {
    MutexLock graph(graph_mutex_);
    if (!unreadable_.empty() || !lost_.empty()) return;
    drafts.swap(drafts_);
  }
  for (const fs::path& draft : drafts) {
    try {
      files::remove_durably(draft);
    } catch (const Error& fault) {
      log::warning("a draft is left until the next start", {{"file", draft.string()}, {"error", fault.message()}});
    }
  }
}

std::map<VolumeId, LayerId> Qcow2Backend::unfinished() const {
  MutexLock graph(graph_mutex_);
  return unfinished_;
}

// Switches whose storage daemon did not answer when they were to be finished. A volume that somebody works on is
// settled by that.
void Qcow2Backend::settle_unfinished() {
  for (const auto& [volume, overlay] : unfinished()) {
    KeyedMutex::Lock lock(volume_locks_, volume.str(), std::try_to_lock);
    if (!lock.owns()) continue;
    try {
      settle_doubts(volume);
    } catch (const Error& fault) {
      log::debug("a switch cannot be finished yet", {{"volume", volume}, {"error", fault.message()}});
    }
  }
}

// Layers that maintenance must leave alone now.
std::set<LayerId> Qcow2Backend::busy_layers() const {
  std::set<LayerId> busy(held_.begin(), held_.end());
  busy.insert(removing_.begin(), removing_.end());
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
  MutexLock graph(graph_mutex_);
  removing_.erase(*layer);
  return true;
}

std::optional<LayerId> Qcow2Backend::pick_removable() {
  MutexLock graph(graph_mutex_);
  std::set<LayerId> busy = busy_layers();
  for (const auto& [key, opened] : opened_) busy.insert(opened.top);
  // A snapshot that nothing stands on, deleted while layers are merged into it.
  for (const auto& [target, running] : running_) busy.insert(target);
  for (const LayerId& layer : graph_.removable(busy)) {
    if (may_be_below_damage(layer)) continue;
    removing_.insert(layer);
    return layer;
  }
  return std::nullopt;
}

// What a damaged layer stands on may be known from its header alone: until it is readable again no layer goes that the
// volume may need. Of a volume without a manifest nothing is known, so that it may need any.
bool Qcow2Backend::may_be_below_damage(const LayerId& layer) const {
  if (!unreadable_.empty() || !lost_.empty()) return true;
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
    MutexLock graph(graph_mutex_);
    proven = dropped_.contains(layer);
  }
  fs::path file = images_.file(layer);
  require_answering(images_.pool_of(layer).name);
  if (proven) {
    files::remove_durably(file);
    log::debug("layer removed", {{"layer", layer}});
  } else if (files::exists(file)) {
    set_aside(file, images_.pool_of(layer).quarantine(), "nothing refers to it and no deletion of it is on record");
  }
  FAILPOINT("layer.remove.after_unlink");
  std::optional<VolumeId> finished;
  {
    MutexLock graph(graph_mutex_);
    graph_.remove(layer);
    blocked_.erase(layer);
    postponed_.erase(layer);
    finished = forget_dropped(layer);
  }
  if (finished) remove_tombstone(*finished);
}

// Returns the deleted volume whose last layer it was.
std::optional<VolumeId> Qcow2Backend::forget_dropped(const LayerId& layer) {
  auto owner = dropped_.find(layer);
  if (owner == dropped_.end()) return std::nullopt;
  VolumeId volume = owner->second;
  dropped_.erase(owner);
  if (auto manifest = manifests_.find(volume); manifest != manifests_.end()) manifest->second.dropped.erase(layer);
  auto deleted = deleted_.find(volume);
  if (deleted == deleted_.end()) return std::nullopt;
  deleted->second.erase(layer);
  if (!deleted->second.empty() || incomplete_) return std::nullopt;
  return volume;
}

void Qcow2Backend::remove_tombstone(const VolumeId& volume) {
  KeyedMutex::Lock lock(volume_locks_, volume.str());
  {
    MutexLock graph(graph_mutex_);
    auto deleted = deleted_.find(volume);
    if (deleted == deleted_.end() || !deleted->second.empty()) return;
  }
  files::remove_durably(tombstone_file(volume));
  MutexLock graph(graph_mutex_);
  deleted_.erase(volume);
}

// It is tried again later and later; what concerns other layers goes on.
void Qcow2Backend::postpone(const LayerId& layer, const Error& fault) {
  log::warning("storage maintenance of a layer failed and will be tried again",
               {{"layer", layer}, {"error", fault.message()}});
  MutexLock graph(graph_mutex_);
  Postponed& entry = postponed_[layer];
  entry.wait = std::clamp(entry.wait * 2, kFirstWait, kLongestWait);
  entry.until = clock_.steady() + entry.wait;
}

void Qcow2Backend::notify_work() {
  std::function<void()> callback;
  {
    MutexLock lock(callback_mutex_);
    callback = on_work_;
  }
  if (callback) callback();
}

}  // namespace varve::qcow2
