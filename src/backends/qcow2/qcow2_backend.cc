#include "backends/qcow2/qcow2_backend.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "backends/qcow2/daemon_keys.h"
#include "backends/qcow2/holds.h"
#include "base/check.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/files.h"
#include "base/log.h"
#include "base/quarantine.h"
#include "base/unique_fd.h"

namespace varve::qcow2 {

namespace fs = std::filesystem;

Qcow2Backend::Qcow2Backend(Config config, Spares& spares, qemu::StorageDaemons& daemons, Clock& clock, Rng& rng)
    : config_(std::move(config)),
      spares_(spares),
      daemons_(daemons),
      clock_(clock),
      rng_(rng),
      images_(pools_of(config_), config_.secret_of) {
  files::make_directory(config_.directory / "volumes");
  daemons_.on_full([this] { return spares_.release(); });
  // A daemon that outlived a crash may hold images open; all its work can be done anew.
  daemons_.end(kPool);
  daemons_.be_brief(true);
  quiet_adopted();
  load();
  resume_opened();
  daemons_.be_brief(false);
  daemons_.on_lost([this](const std::string& key) { lost(key); });
}

Qcow2Backend::~Qcow2Backend() {
  daemons_.on_lost({});
}

// Every layer that the volume or one of its snapshots reads from.
std::set<LayerId> Qcow2Backend::layers_of(const Manifest& manifest) const {
  std::set<LayerId> out;
  auto add = [&](const LayerId& top) VARVE_REQUIRES(graph_mutex_) {
    for (const LayerId& layer : graph_.chain(top)) out.insert(layer);
  };
  add(manifest.active);
  for (const auto& [id, frozen] : manifest.snapshots) add(frozen.layer);
  return out;
}

// Throws unless every layer of the chain is there and readable.
void Qcow2Backend::require_sound(const std::string& whose, const LayerId& top) const {
  MutexLock graph(graph_mutex_);
  if (std::optional<Damage> found = graph_.damage(top)) {
    throw Error(ErrorCode::BackendFailed, whose + " is damaged: layer " + found->layer.str() + ": " + found->reason);
  }
}

bool Qcow2Backend::is_unreadable(const VolumeId& volume) const {
  MutexLock graph(graph_mutex_);
  return unreadable_.contains(volume);
}

fs::path Qcow2Backend::manifest_file(const VolumeId& volume) const {
  return config_.directory / "volumes" / (volume.str() + ".json");
}

fs::path Qcow2Backend::tombstone_file(const VolumeId& volume) const {
  return config_.directory / "volumes" / (volume.str() + ".deleted");
}

Manifest Qcow2Backend::manifest(const VolumeId& volume) const {
  MutexLock graph(graph_mutex_);
  auto found = manifests_.find(volume);
  if (found != manifests_.end()) return found->second;
  if (auto fault = unreadable_.find(volume); fault != unreadable_.end()) {
    throw Error(ErrorCode::BackendFailed,
                "the volume " + volume.str() + " is damaged: its manifest cannot be read: " + fault->second);
  }
  missing("volume", volume.str());
}

// The commit point of every operation: first the file, then the memory. What the volume referred to before and does not
// any more is dropped. draft: a layer that the manifest names for the first time.
void Qcow2Backend::commit(Manifest changed, Draft* draft) {
  note_dropped(changed);
  std::exception_ptr fault;
  try {
    try {
      write_down(changed);
    } catch (const Error&) {
      fault = std::current_exception();
      if (!is_written(changed)) throw;
    }
    if (draft != nullptr) {
      FAILPOINT("layer.commit.before_name");
      draft->settle();
    }
  } catch (const Error&) {
    take_back(changed.volume, draft);
    throw;
  }
  remember(changed);
  if (fault) std::rethrow_exception(fault);
}

// Even on a full disk: what frees space is written down first.
void Qcow2Backend::write_down(const Manifest& changed) {
  spares_.replace(manifest_file(changed.volume), serialize(changed));
}

void Qcow2Backend::note_dropped(Manifest& changed) const {
  MutexLock graph(graph_mutex_);
  take_root(changed);
  auto before = manifests_.find(changed.volume);
  if (before != manifests_.end()) {
    changed.dropped.insert(before->second.dropped.begin(), before->second.dropped.end());
    for (const LayerId& layer : before->second.referred()) changed.dropped.insert(layer);
    // Of one that is not known it is not known either that it is rubbish.
    const std::optional<Intent>& intent = before->second.intent;
    if (intent && graph_.contains(intent->overlay)) changed.dropped.insert(intent->overlay);
  }
  std::set<LayerId> kept = changed.referred();
  if (changed.intent) kept.insert(changed.intent->overlay);
  std::erase_if(changed.dropped, [&](const LayerId& layer) VARVE_REQUIRES(graph_mutex_) {
    return kept.contains(layer) || (!graph_.contains(layer) && !incomplete_);
  });
}

// Writing failed, but perhaps not before the file was replaced.
bool Qcow2Backend::is_written(const Manifest& changed) const {
  try {
    return files::read(manifest_file(changed.volume)) == serialize(changed);
  } catch (const Error&) {
    return false;  // or not known: what may be there is taken back
  }
}

// The file is to say again what the memory does. When that fails it is done before the volume is worked on; until then
// the draft stays, since the next start may find a manifest that names it.
void Qcow2Backend::take_back(const VolumeId& volume, Draft* draft) {
  {
    MutexLock graph(graph_mutex_);
    doubtful_.insert(volume);
  }
  try {
    restore_manifest(volume);
  } catch (const Error& fault) {
    log::warning("a manifest may or may not have been written", {{"volume", volume}, {"error", fault.message()}});
    if (draft != nullptr) draft->leave();
  }
}

void Qcow2Backend::remember(Manifest changed) {
  MutexLock graph(graph_mutex_);
  take_root(changed);
  for (const LayerId& layer : changed.referred()) graph_.refer(layer);
  auto before = manifests_.find(changed.volume);
  if (before != manifests_.end()) {
    for (const LayerId& layer : before->second.referred()) graph_.release(layer);
  }
  for (const LayerId& layer : changed.dropped) dropped_[layer] = changed.volume;
  changed.root.empty() ? (void)dependents_.erase(changed.volume) : (void)dependents_.insert(changed.volume);
  unfinished_.erase(changed.volume);
  if (changed.intent) unfinished_[changed.volume] = changed.intent->overlay;
  manifests_[changed.volume] = changed;
  note_depth(changed.volume);
}

// A merge may have changed the root since the operation looked, unless it is one that gives the volume another one: an
// overlay that shares nothing but through itself.
void Qcow2Backend::take_root(Manifest& changed) const {
  auto before = manifests_.find(changed.volume);
  if (before == manifests_.end()) return;
  bool moved = changed.root == changed.active && changed.active != before->second.active;
  if (!moved) changed.root = before->second.root;
}

// All that the volume had is dropped.
void Qcow2Backend::forget_deleted(const VolumeId& volume) {
  MutexLock graph(graph_mutex_);
  auto node = manifests_.extract(volume);
  const Manifest& gone = node.mapped();
  std::set<LayerId> dropped = gone.referred();
  for (const LayerId& layer : dropped) graph_.release(layer);
  dropped.insert(gone.dropped.begin(), gone.dropped.end());
  if (gone.intent) dropped.insert(gone.intent->overlay);
  std::erase_if(dropped, [&](const LayerId& layer) VARVE_REQUIRES(graph_mutex_) { return !graph_.contains(layer); });
  for (const LayerId& layer : dropped) dropped_[layer] = volume;
  deleted_[volume] = std::move(dropped);
  dependents_.erase(volume);
  unfinished_.erase(volume);
  doubtful_.erase(volume);
  damaged_.erase(volume);
  deep_.remove(volume);
}

void Qcow2Backend::require_space(const std::string& pool) {
  require_answering(pool);
  files::Space space = files::space(images_.pool(pool).root);
  if (space.available < config_.min_free_bytes) {
    throw Error(ErrorCode::NoSpace, "the store has " + std::to_string(space.available >> 20) + " MiB left and keeps " +
                                        std::to_string(config_.min_free_bytes >> 20) + " MiB free");
  }
}

void Qcow2Backend::require_depth(const LayerId& top) const {
  if (static_cast<std::int64_t>(chain_of(top).size()) >= config_.max_chain_depth) {
    throw Error(ErrorCode::BackendFailed, "the volume already stands on " + std::to_string(config_.max_chain_depth) +
                                              " layers, the most that is allowed; delete some snapshots");
  }
}

std::shared_ptr<qemu::StorageDaemon> Qcow2Backend::pool() {
  return daemons_.start(kPool);
}

std::vector<LayerId> Qcow2Backend::chain_of(const LayerId& top) const {
  MutexLock graph(graph_mutex_);
  return graph_.chain(top);
}

// An id whose file will be in the pool.
LayerId Qcow2Backend::new_layer(const std::string& pool) {
  LayerId layer(rng_.uuid());
  images_.place(layer, pool);
  return layer;
}

void Qcow2Backend::create_volume(const VolumeId& volume, std::int64_t size_gib, const backends::Placement& placement) {
  Hold hold(*this, volume);
  if (has_volume(volume)) return;
  require_space(placement.pool);
  KeyId key = placement.key.value_or(KeyId());
  Draft layer(*this, new_layer(placement.pool), size_gib, std::nullopt, key);
  FAILPOINT("volume.create.after_layer");
  commit({.volume = volume, .size_gib = size_gib, .active = layer.id(), .pool = placement.pool, .key = key}, &layer);
  FAILPOINT("volume.create.after_manifest");
}

void Qcow2Backend::clone_snapshot(const VolumeId& volume, std::int64_t size_gib, const VolumeId& source,
                                  const SnapshotId& snapshot, const std::string& pool) {
  if (has_volume(volume)) return;
  std::optional<Pin> pin;
  LayerId frozen;
  KeyId key;
  {
    KeyedMutex::Lock lock(volume_locks_, source.str());
    Manifest from = manifest(source);
    auto found = from.snapshots.find(snapshot);
    if (found == from.snapshots.end()) missing("snapshot", snapshot.str());
    frozen = found->second.layer;
    key = from.key;
    require_sound("the snapshot " + snapshot.str(), frozen);
    pin.emplace(*this, frozen);
  }
  attach_clone(volume, size_gib, frozen, key, pool);
}

void Qcow2Backend::clone_volume(const VolumeId& volume, std::int64_t size_gib, const VolumeId& source,
                                const std::string& pool) {
  if (has_volume(volume)) return;
  std::optional<Pin> pin;
  LayerId frozen;
  KeyId key;
  {
    Hold hold(*this, source, Hold::Merges::StopIntoActive);
    frozen = freeze(source, SnapshotId(), "");
    key = manifest(source).key;
    pin.emplace(*this, frozen);
  }
  FAILPOINT("clone.after_freeze");
  attach_clone(volume, size_gib, frozen, key, pool);
}

// source is pinned until the clone's own manifest holds a layer on it.
void Qcow2Backend::attach_clone(const VolumeId& volume, std::int64_t size_gib, const LayerId& source, const KeyId& key,
                                const std::string& to_pool) {
  Hold hold(*this, volume);
  require_space(to_pool);
  require_depth(source);
  Draft layer(*this, new_layer(to_pool), size_gib, source, key);
  FAILPOINT("clone.after_overlay");
  commit(
      {.volume = volume, .size_gib = size_gib, .active = layer.id(), .root = layer.id(), .pool = to_pool, .key = key},
      &layer);
  FAILPOINT("clone.after_manifest");
}

namespace {

void require_no_others(const Manifest& manifest, const std::set<SnapshotId>& known) {
  std::string others;
  for (const auto& [snapshot, frozen] : manifest.snapshots) {
    if (!known.contains(snapshot)) others += (others.empty() ? "" : ", ") + snapshot.str();
  }
  if (others.empty()) return;
  throw Error(ErrorCode::BackendFailed, "the volume " + manifest.volume.str() + std::string(backends::kOthers) +
                                            others + "; an administrator can manage them, so that they can be deleted");
}

}  // namespace

// A tombstone takes the manifest's place until the last of the volume's layers has gone. What an unreadable manifest
// named is not known: the manifest is set aside, as its layers were.
void Qcow2Backend::delete_volume(const VolumeId& volume, const std::set<SnapshotId>& snapshots) {
  Hold hold(*this, volume, Hold::Merges::Stop, Hold::State::AsItIs);
  if (!has_volume(volume)) {
    restore_manifest(volume);
    MutexLock graph(graph_mutex_);
    lost_.erase(volume);
    return;
  }
  if (!is_unreadable(volume)) require_no_others(manifest(volume), snapshots);
  close_unused(volume);
  FAILPOINT("volume.delete.before_manifest");
  // What is gone already was moved by a call that could not make it durable.
  bool there = files::exists(manifest_file(volume));
  if (!there) files::sync_directory(manifest_file(volume).parent_path());
  if (is_unreadable(volume)) {
    if (there) {
      set_aside(manifest_file(volume), images_.pool("").quarantine(),
                "the manifest of a deleted volume; it is unreadable");
    }
    MutexLock graph(graph_mutex_);
    unreadable_.erase(volume);
  } else {
    if (there) files::rename_durably(manifest_file(volume), tombstone_file(volume));
    forget_deleted(volume);
  }
  FAILPOINT("volume.delete.after_manifest");
}

void Qcow2Backend::extend_volume(const VolumeId& volume, std::int64_t size_gib) {
  Hold hold(*this, volume);
  Manifest changed = manifest(volume);
  if (changed.size_gib >= size_gib) return;
  require_sound("the volume " + volume.str(), changed.active);
  FAILPOINT("volume.extend.before_resize");
  if (auto daemon = daemon_of(volume.str())) {
    images_.resize(daemon->qmp(), changed.active, size_gib);
  } else {
    resize_closed(changed, size_gib);
  }
  FAILPOINT("volume.extend.after_resize");
  changed.size_gib = size_gib;
  commit(changed);
}

void Qcow2Backend::create_snapshot(const VolumeId& volume, const SnapshotId& snapshot) {
  Hold hold(*this, volume, Hold::Merges::StopIntoActive);
  if (manifest(volume).snapshots.contains(snapshot)) return;
  freeze(volume, snapshot, "");
}

// The overlay in the other pool reads the same; it is the volume's root there, which maintenance makes independent of
// what is below, as it does with a clone.
void Qcow2Backend::migrate(const VolumeId& volume, const std::string& pool) {
  Hold hold(*this, volume, Hold::Merges::StopIntoActive);
  Manifest present = manifest(volume);
  if (&images_.pool(present.pool) == &images_.pool(pool)) return;
  if (!present.snapshots.empty()) {
    throw Error(ErrorCode::Conflict, "the volume " + volume.str() + " still has the snapshot " +
                                         present.snapshots.begin()->first.str() + " on its disk; it cannot be moved");
  }
  FAILPOINT("volume.migrate.before_switch");
  freeze(volume, SnapshotId(), pool);
}

// Puts an empty overlay on the active layer and returns the layer that is frozen now. to_pool: where the overlay goes;
// "": where the volume is. The volume is held.
LayerId Qcow2Backend::freeze(const VolumeId& volume, const SnapshotId& snapshot, const std::string& to_pool) {
  Manifest present = manifest(volume);
  const std::string& target = to_pool.empty() ? present.pool : to_pool;
  require_sound("the volume " + volume.str(), present.active);
  require_space(target);
  require_depth(present.active);
  Intent intent{.overlay = new_layer(target), .snapshot = snapshot, .pool = to_pool, .made = true};
  if (auto daemon = daemon_of(volume.str())) {
    freeze_open(present, intent, daemon->qmp());
  } else {
    freeze_closed(present, intent);
  }
  FAILPOINT("snapshot.create.after_manifest");
  return present.active;
}

// What a manifest says once the overlay is the active layer.
Manifest Qcow2Backend::switched(Manifest manifest, const Intent& intent) {
  if (!intent.snapshot.empty()) manifest.snapshots[intent.snapshot] = {manifest.active, manifest.size_gib};
  if (!intent.pool.empty()) {
    manifest.pool = intent.pool;
    manifest.root = intent.overlay;
  }
  manifest.active = intent.overlay;
  manifest.intent.reset();
  return manifest;
}

// Needs no intent: until its manifest names it, the overlay is a draft.
void Qcow2Backend::freeze_closed(const Manifest& present, const Intent& intent) {
  Draft overlay(*this, intent.overlay, present.size_gib, present.active, present.key);
  FAILPOINT("snapshot.create.after_overlay");
  FAILPOINT("snapshot.create.after_intent");
  FAILPOINT("snapshot.create.after_switch");
  commit(switched(present, intent), &overlay);
}

// The intent names the overlay before the client's writes can reach it, and once there is one: should it not be found
// later, under neither of its names, then writes may be lost.
void Qcow2Backend::freeze_open(const Manifest& present, const Intent& intent, qemu::QmpClient& qmp) {
  Draft overlay(*this, intent.overlay, present.size_gib, present.active, present.key);
  FAILPOINT("snapshot.create.after_overlay");
  Manifest changed = present;
  changed.intent = intent;
  commit(changed, &overlay);
  FAILPOINT("snapshot.create.after_intent");
  try {
    images_.switch_to_overlay(qmp, present.active, intent.overlay, present.key);
    FAILPOINT("snapshot.create.after_switch");
    finish_intent(present.volume);
  } catch (const Error&) {
    if (has_intent(present.volume)) drop_intent_if_not_switched(present, qmp);
    throw;
  }
}

// Whether the switch happened is only known while the daemon answers; else the intent stays, and is rolled forward.
void Qcow2Backend::drop_intent_if_not_switched(const Manifest& before, qemu::QmpClient& qmp) {
  const LayerId overlay = manifest(before.volume).intent->overlay;
  if (qmp.lost()) return;
  if (images_.is_open(qmp, overlay) && !images_.stands_on(qmp, overlay, std::nullopt)) return;
  images_.close_node(qmp, overlay);
  Manifest changed = before;
  changed.dropped.insert(overlay);
  commit(changed);
}

// What an interrupted operation may have left to be told before the volume is worked on: a manifest of which it is not
// known whether it was written, a switch that may have moved the guest's writes to the overlay already.
void Qcow2Backend::settle_doubts(const VolumeId& volume) {
  restore_manifest(volume);
  if (has_intent(volume)) finish_intent(volume);
}

// Nothing happens when the file is known to say what the memory does.
void Qcow2Backend::restore_manifest(const VolumeId& volume) {
  std::optional<Manifest> known;
  {
    MutexLock graph(graph_mutex_);
    if (!doubtful_.contains(volume)) return;
    if (auto found = manifests_.find(volume); found != manifests_.end()) known = found->second;
  }
  if (known) {
    write_down(*known);
  } else {
    files::remove_durably(manifest_file(volume));
  }
  MutexLock graph(graph_mutex_);
  doubtful_.erase(volume);
}

// Rolls an intent forward: the overlay becomes the active layer. Whether or not the switch had happened, the overlay
// reads the same as the layer below. What an earlier version had not made yet is dropped; an overlay that is lost or
// whose pool is away is damaged (assessment.cc), and the intent stays.
void Qcow2Backend::finish_intent(const VolumeId& volume) {
  Manifest present = manifest(volume);
  Intent intent = *present.intent;
  if (!is_known(intent.overlay)) {
    present.intent.reset();
    commit(present);
    return;
  }
  require_sound("the volume " + volume.str(), intent.overlay);
  if (auto daemon = daemon_of(volume.str())) {
    images_.switch_to_overlay(daemon->qmp(), present.active, intent.overlay, present.key);
  }
  commit(switched(present, intent));
  MutexLock graph(graph_mutex_);
  auto opened = opened_.find(volume.str());
  if (opened != opened_.end()) opened->second.top = intent.overlay;
}

bool Qcow2Backend::has_intent(const VolumeId& volume) const {
  MutexLock graph(graph_mutex_);
  return unfinished_.contains(volume);
}

bool Qcow2Backend::is_known(const LayerId& layer) const {
  MutexLock graph(graph_mutex_);
  return graph_.contains(layer);
}

// Its manifest may come back, with all that it names.
void Qcow2Backend::require_not_lost(const VolumeId& volume) const {
  MutexLock graph(graph_mutex_);
  if (!lost_.contains(volume)) return;
  throw Error(ErrorCode::BackendFailed,
              "the volume " + volume.str() + std::string(backends::kDamaged) + "its manifest is missing");
}

void Qcow2Backend::delete_snapshot(const VolumeId& volume, const SnapshotId& snapshot) {
  Hold hold(*this, volume, Hold::Merges::Leave);
  if (!has_volume(volume)) return require_not_lost(volume);
  Manifest changed = manifest(volume);
  if (changed.snapshots.erase(snapshot) == 0) return;
  FAILPOINT("snapshot.delete.before_manifest");
  commit(changed);
  FAILPOINT("snapshot.delete.after_manifest");
}

void Qcow2Backend::rollback(const VolumeId& volume, const SnapshotId& snapshot) {
  Hold hold(*this, volume);
  close_unused(volume);
  Manifest changed = manifest(volume);
  require_space(changed.pool);
  auto found = changed.snapshots.find(snapshot);
  if (found == changed.snapshots.end()) missing("snapshot", snapshot.str());
  LayerId frozen = found->second.layer;
  // What is sound now is let go of: its place must not be taken by what cannot be read.
  find_damage(chain_of(frozen), false);
  require_sound("the snapshot " + snapshot.str(), frozen);
  Draft overlay(*this, new_layer(changed.pool), changed.size_gib, frozen, changed.key);
  FAILPOINT("volume.rollback.after_overlay");
  changed.active = overlay.id();
  commit(changed, &overlay);
  FAILPOINT("volume.rollback.after_manifest");
}

void Qcow2Backend::on_work(std::function<void()> callback) {
  MutexLock lock(callback_mutex_);
  on_work_ = std::move(callback);
}

void Qcow2Backend::on_lost(LostCallback callback) {
  MutexLock lock(callback_mutex_);
  on_lost_ = std::move(callback);
}

}  // namespace varve::qcow2
