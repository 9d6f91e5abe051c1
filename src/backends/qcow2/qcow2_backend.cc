#include "backends/qcow2/qcow2_backend.h"

#include <boost/json.hpp>
#include <fstream>

#include "backends/qcow2/holds.h"
#include "base/check.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/files.h"
#include "base/log.h"

namespace varve::qcow2 {

namespace fs = std::filesystem;

namespace {

constexpr char kPool[] = "pool";
constexpr std::string_view kSnapshotKey = "snapshot-";

std::string snapshot_key(const SnapshotId& snapshot) {
  return std::string(kSnapshotKey) + snapshot.str();
}

[[noreturn]] void missing(std::string_view kind, std::string_view id) {
  throw Error(ErrorCode::BackendFailed, "the " + std::string(kind) + " " + std::string(id) + " has no image");
}

std::vector<Pool> probe(const Config& config, qemu::StorageDaemons& daemons) {
  files::make_directory(config.directory / "volumes");
  // A daemon that outlived a crash may hold images open; all its work can be done anew.
  daemons.end(kPool);
  std::vector<Pool> pools;
  auto add = [&](const std::string& name, const fs::path& directory) {
    files::make_directory(directory / "layers");
    files::make_directory(directory / "manageable");
    pools.push_back({name, directory / "layers", probe_io(directory / "layers", daemons.start(kPool)->qmp())});
  };
  add("default", config.directory);
  for (const auto& [name, directory] : config.pools) add(name, directory);
  return pools;
}

}  // namespace

IoOptions probe_io(const fs::path& directory, qemu::QmpClient& qmp) {
  fs::path file = directory / "probe";
  files::replace_atomically(file, std::string(1 << 16, '\0'));
  auto works = [&](const IoOptions& io) {
    try {
      qmp.execute("blockdev-add", {{"driver", "file"},
                                   {"node-name", "probe"},
                                   {"filename", file.string()},
                                   {"aio", io.aio},
                                   {"cache", boost::json::object{{"direct", io.direct}}}});
      qmp.execute("blockdev-del", {{"node-name", "probe"}});
      return true;
    } catch (const Error& fault) {
      if (fault.code() == ErrorCode::Unavailable) throw;
      return false;
    }
  };
  IoOptions chosen;
  for (const IoOptions& io : {IoOptions{"io_uring", true}, IoOptions{"threads", true}, IoOptions{"io_uring", false}}) {
    if (works(io)) {
      chosen = io;
      break;
    }
  }
  files::remove_durably(file);
  log::info("image I/O", {{"aio", chosen.aio}, {"direct", chosen.direct ? "on" : "off"}});
  return chosen;
}

Qcow2Backend::Qcow2Backend(Config config, qemu::StorageDaemons& daemons, Rng& rng)
    : config_(std::move(config)), daemons_(daemons), rng_(rng), images_(probe(config_, daemons), config_.secret_of) {
  quiet_adopted();
  load_layers();
  load_manifests();
  resume_opened();
  daemons_.on_lost([this](const std::string& key) { lost(key); });
}

// A storage daemon ended that nobody asked to end. The pool and those of a moment are started again when wanted.
void Qcow2Backend::lost(const std::string& key) {
  VolumeId volume;
  std::optional<SnapshotId> snapshot;
  {
    std::lock_guard graph(graph_mutex_);
    opened_.erase(key);
    for (const auto& [id, manifest] : manifests_) {
      if (id.str() == key) volume = id;
      for (const auto& [name, frozen] : manifest.snapshots) {
        if (snapshot_key(name) != key) continue;
        volume = id;
        snapshot = name;
      }
    }
  }
  if (volume.empty()) return;
  LostCallback callback;
  {
    std::lock_guard lock(callback_mutex_);
    callback = on_lost_;
  }
  log::error("an attached volume lost its storage daemon; it is started again", {{"daemon", key}});
  if (callback) callback(volume, snapshot);
}

Qcow2Backend::~Qcow2Backend() {
  daemons_.on_lost({});
}

// Every layer that the volume or one of its snapshots reads from. graph_mutex_ is held.
std::set<LayerId> Qcow2Backend::layers_of(const Manifest& manifest) const {
  std::set<LayerId> out;
  auto add = [&](const LayerId& top) {
    for (const LayerId& layer : graph_.chain(top)) out.insert(layer);
  };
  add(manifest.active);
  for (const auto& [id, frozen] : manifest.snapshots) add(frozen.layer);
  return out;
}

fs::path Qcow2Backend::manifest_file(const VolumeId& volume) const {
  return config_.directory / "volumes" / (volume.str() + ".json");
}

Manifest Qcow2Backend::manifest(const VolumeId& volume) const {
  std::lock_guard graph(graph_mutex_);
  auto found = manifests_.find(volume);
  if (found == manifests_.end()) missing("volume", volume.str());
  return found->second;
}

// The commit point of every operation: first the file, then the memory.
void Qcow2Backend::commit(const Manifest& manifest) {
  save(manifest_file(manifest.volume), manifest);
  std::lock_guard graph(graph_mutex_);
  graph_.refer(manifest.active);
  for (const auto& [id, frozen] : manifest.snapshots) graph_.refer(frozen.layer);
  auto before = manifests_.find(manifest.volume);
  if (before != manifests_.end()) {
    graph_.release(before->second.active);
    for (const auto& [id, frozen] : before->second.snapshots) graph_.release(frozen.layer);
  }
  manifests_[manifest.volume] = manifest;
}

void Qcow2Backend::require_space(const std::string& pool) const {
  files::Space space = files::space(images_.pool(pool).directory);
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
  std::lock_guard graph(graph_mutex_);
  return graph_.chain(top);
}

// The daemon that has it open, nullptr if nobody has.
std::shared_ptr<qemu::StorageDaemon> Qcow2Backend::daemon_of(const std::string& opened) {
  std::string key;
  {
    std::lock_guard graph(graph_mutex_);
    auto found = opened_.find(opened);
    if (found == opened_.end()) return nullptr;
    key = found->second.daemon;
  }
  return daemons_.find(key);
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
  LayerId layer = new_layer(placement.pool);
  images_.create(pool()->qmp(), layer, size_gib, std::nullopt, key);
  FAILPOINT("volume.create.after_layer");
  Pin pin(*this, layer, std::nullopt);
  commit({volume, size_gib, layer, LayerId(), placement.pool, key, {}, std::nullopt});
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
    Hold hold(*this, source);
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
  LayerId layer = new_layer(to_pool);
  images_.create(pool()->qmp(), layer, size_gib, source, key);
  FAILPOINT("clone.after_overlay");
  Pin pin(*this, layer, source);
  commit({volume, size_gib, layer, layer, to_pool, key, {}, std::nullopt});
  FAILPOINT("clone.after_manifest");
}

bool Qcow2Backend::has_intent(const VolumeId& volume) const {
  std::lock_guard graph(graph_mutex_);
  auto found = manifests_.find(volume);
  return found != manifests_.end() && found->second.intent;
}

void Qcow2Backend::delete_volume(const VolumeId& volume) {
  Hold hold(*this, volume);
  if (!has_volume(volume)) return;
  close_unused(volume);
  FAILPOINT("volume.delete.before_manifest");
  files::remove_durably(manifest_file(volume));
  FAILPOINT("volume.delete.after_manifest");
  std::lock_guard graph(graph_mutex_);
  Manifest gone = std::move(manifests_.at(volume));
  manifests_.erase(volume);
  graph_.release(gone.active);
  for (const auto& [id, frozen] : gone.snapshots) graph_.release(frozen.layer);
}

void Qcow2Backend::extend_volume(const VolumeId& volume, std::int64_t size_gib) {
  Hold hold(*this, volume);
  Manifest changed = manifest(volume);
  if (changed.size_gib >= size_gib) return;
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

// With its whole chain open, in a daemon that no restart adopts: QEMU then covers with zeros what a larger layer below
// holds behind the old end.
void Qcow2Backend::resize_closed(const Manifest& manifest, std::int64_t size_gib) {
  const std::string key = "resize-" + manifest.volume.str();
  try {
    open_chain(key, manifest.active, true, manifest.key);
    images_.resize(daemons_.start(key)->qmp(), manifest.active, size_gib);
    close_chain(key);
  } catch (const Error&) {
    discard_chain(key);
    throw;
  }
}

void Qcow2Backend::create_snapshot(const VolumeId& volume, const SnapshotId& snapshot) {
  Hold hold(*this, volume);
  if (manifest(volume).snapshots.contains(snapshot)) return;
  freeze(volume, snapshot, "");
}

// The overlay in the other pool reads the same; it is the volume's root there, which maintenance makes independent of
// what is below, as it does with a clone.
void Qcow2Backend::migrate(const VolumeId& volume, const std::string& pool) {
  Hold hold(*this, volume);
  Manifest present = manifest(volume);
  if (&images_.pool(present.pool) == &images_.pool(pool)) return;
  VARVE_CHECK(present.snapshots.empty(), "a volume with snapshots was migrated");
  FAILPOINT("volume.migrate.before_switch");
  freeze(volume, SnapshotId(), pool);
}

// Puts an empty overlay on the active layer and returns the layer that is frozen now. to_pool: where the overlay goes;
// "": where the volume is. The volume is held.
LayerId Qcow2Backend::freeze(const VolumeId& volume, const SnapshotId& snapshot, const std::string& to_pool) {
  Manifest changed = manifest(volume);
  const std::string& target = to_pool.empty() ? changed.pool : to_pool;
  require_space(target);
  require_depth(changed.active);
  LayerId frozen = changed.active;
  changed.intent = Intent{new_layer(target), snapshot, to_pool};
  std::shared_ptr<qemu::StorageDaemon> daemon = daemon_of(volume.str());
  // A closed volume needs no intent: until its manifest names it, the overlay is a file that nothing refers to.
  if (daemon) commit(changed);
  FAILPOINT("snapshot.create.after_intent");
  try {
    images_.create(pool()->qmp(), changed.intent->overlay, changed.size_gib, frozen, changed.key);
    FAILPOINT("snapshot.create.after_overlay");
    if (daemon) images_.switch_to_overlay(daemon->qmp(), frozen, changed.intent->overlay, changed.key);
  } catch (const Error&) {
    // Whether the switch happened is only known while the daemon lives; then nothing was switched, and the intent goes.
    if (daemon && !daemon->qmp().lost() && images_.stands_on(daemon->qmp(), changed.intent->overlay, std::nullopt)) {
      images_.close_node(daemon->qmp(), changed.intent->overlay);
      files::remove_durably(images_.file(changed.intent->overlay));
      changed.intent.reset();
      commit(changed);
    }
    throw;
  }
  FAILPOINT("snapshot.create.after_switch");
  {
    std::lock_guard graph(graph_mutex_);
    if (!daemon) manifests_.at(volume).intent = changed.intent;
  }
  finish_intent(volume);
  FAILPOINT("snapshot.create.after_manifest");
  return frozen;
}

// Rolls an intent forward: the overlay becomes the active layer. Whether or not the switch had happened, the overlay
// reads the same as the layer below; without the overlay's file nothing had happened yet, and the intent is dropped.
void Qcow2Backend::finish_intent(const VolumeId& volume) {
  Manifest changed = manifest(volume);
  Intent intent = *changed.intent;
  LayerId frozen = changed.active;
  changed.intent.reset();
  if (!read_header(images_.file(intent.overlay))) {
    files::remove_durably(images_.file(intent.overlay));
    commit(changed);
    return;
  }
  if (auto daemon = daemon_of(volume.str())) {
    images_.switch_to_overlay(daemon->qmp(), frozen, intent.overlay, changed.key);
  }
  Pin pin(*this, intent.overlay, frozen);
  if (!intent.snapshot.empty()) changed.snapshots[intent.snapshot] = {frozen, changed.size_gib};
  if (!intent.pool.empty()) {
    changed.pool = intent.pool;
    changed.root = intent.overlay;
  }
  changed.active = intent.overlay;
  commit(changed);
  std::lock_guard graph(graph_mutex_);
  auto opened = opened_.find(volume.str());
  if (opened != opened_.end()) opened->second.top = intent.overlay;
}

void Qcow2Backend::delete_snapshot(const VolumeId& volume, const SnapshotId& snapshot) {
  Hold hold(*this, volume);
  if (!has_volume(volume)) return;
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
  LayerId overlay = new_layer(changed.pool);
  images_.create(pool()->qmp(), overlay, changed.size_gib, frozen, changed.key);
  FAILPOINT("volume.rollback.after_overlay");
  Pin pin(*this, overlay, frozen);
  changed.active = overlay;
  commit(changed);
  FAILPOINT("volume.rollback.after_manifest");
}

model::BlockDevice Qcow2Backend::open_chain(const std::string& key, const LayerId& top, bool writable,
                                            const KeyId& secret) {
  std::vector<LayerId> chain = chain_of(top);
  std::shared_ptr<qemu::StorageDaemon> daemon = daemons_.start(key);
  FAILPOINT("attach.after_daemon");
  {
    std::lock_guard graph(graph_mutex_);
    opened_[key] = {key, top};
  }
  try {
    images_.open_chain(daemon->qmp(), chain, writable, secret);
    // In one that outlived the last varved: a merge that was cut off leaves nodes that would keep what is below them.
    images_.close_others(daemon->qmp(), chain);
  } catch (...) {
    discard_chain(key);
    throw;
  }
  return {key, Images::node(top)};
}

model::BlockDevice Qcow2Backend::open(const VolumeId& volume, const model::QosLimits& qos) {
  Hold hold(*this, volume);
  Manifest present = manifest(volume);
  const LayerId& active = present.active;
  model::BlockDevice device = open_chain(volume.str(), active, true, present.key);
  FAILPOINT("attach.after_open");
  images_.add_throttle(daemons_.start(volume.str())->qmp(), active, qos);
  return {device.daemon, Images::throttle_node()};
}

void Qcow2Backend::close_chain(const std::string& key) {
  daemons_.stop(key);
  std::lock_guard graph(graph_mutex_);
  opened_.erase(key);
}

// After a fault, which it must not hide. Should the daemon stay for a while, QEMU's locks keep others off its images.
void Qcow2Backend::discard_chain(const std::string& key) {
  daemons_.discard(key);
  std::lock_guard graph(graph_mutex_);
  opened_.erase(key);
}

// A storage daemon that did not quit when the last who used it went.
void Qcow2Backend::close_unused(const VolumeId& volume) {
  if (daemon_of(volume.str())) close_chain(volume.str());
}

void Qcow2Backend::close(const VolumeId& volume) {
  Hold hold(*this, volume);
  close_chain(volume.str());
  FAILPOINT("detach.after_close");
}

void Qcow2Backend::set_qos(const VolumeId& volume, const model::QosLimits& qos) {
  Hold hold(*this, volume);
  if (auto daemon = daemon_of(volume.str())) images_.set_throttle(daemon->qmp(), qos);
}

model::BlockDevice Qcow2Backend::open_snapshot(const VolumeId& volume, const SnapshotId& snapshot) {
  Hold hold(*this, volume);
  Manifest from = manifest(volume);
  auto found = from.snapshots.find(snapshot);
  if (found == from.snapshots.end()) missing("snapshot", snapshot.str());
  return open_chain(snapshot_key(snapshot), found->second.layer, false, from.key);
}

void Qcow2Backend::close_snapshot(const VolumeId& volume, const SnapshotId& snapshot) {
  Hold hold(*this, volume);
  close_chain(snapshot_key(snapshot));
  FAILPOINT("detach.after_close");
}

bool Qcow2Backend::has_volume(const VolumeId& volume) {
  std::lock_guard graph(graph_mutex_);
  return manifests_.contains(volume);
}

backends::Usage Qcow2Backend::volume_usage(const VolumeId& volume) {
  LayerId active = manifest(volume).active;
  backends::Usage usage;
  for (const LayerId& layer : chain_of(active)) usage.allocated += files::allocated_bytes(images_.file(layer));
  usage.exclusive = files::allocated_bytes(images_.file(active));
  return usage;
}

backends::Usage Qcow2Backend::snapshot_usage(const VolumeId& volume, const SnapshotId& snapshot) {
  Manifest from = manifest(volume);
  auto found = from.snapshots.find(snapshot);
  if (found == from.snapshots.end()) missing("snapshot", snapshot.str());
  backends::Usage usage;
  for (const LayerId& layer : chain_of(found->second.layer)) {
    usage.allocated += files::allocated_bytes(images_.file(layer));
  }
  std::lock_guard graph(graph_mutex_);
  // Its layer is merged into a child when it goes, so it frees its own bytes only when nothing stands on it.
  if (graph_.children(found->second.layer) == 0) {
    usage.exclusive = files::allocated_bytes(images_.file(found->second.layer));
  }
  return usage;
}

std::vector<std::string> Qcow2Backend::pools() const {
  std::vector<std::string> names;
  for (const Pool& pool : images_.pools()) names.push_back(pool.name);
  return names;
}

backends::Capacity Qcow2Backend::capacity(const std::string& pool) {
  files::Space space = files::space(images_.pool(pool).directory);
  return {space.total, space.available};
}

// A pool is told from the others by its own backend name; the default one has had the driver's.
model::Metadata Qcow2Backend::capabilities(const std::string& pool) const {
  std::string name = images_.pool(pool).name;
  return {{"volume_backend_name", name == "default" ? "qcow2" : name},
          {"storage_protocol", "nbd"},
          {"vendor_name", "Varve"},
          {"driver_version", "1.0"},
          {"pool_name", name}};
}

void Qcow2Backend::on_work(std::function<void()> callback) {
  std::lock_guard lock(callback_mutex_);
  on_work_ = std::move(callback);
}

void Qcow2Backend::on_lost(LostCallback callback) {
  std::lock_guard lock(callback_mutex_);
  on_lost_ = std::move(callback);
}

}  // namespace varve::qcow2
