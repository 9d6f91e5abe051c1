// Chains in storage daemons: what is open, and what becomes of it.

#include "backends/qcow2/daemon_keys.h"
#include "backends/qcow2/holds.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/files.h"
#include "base/log.h"

namespace varve::qcow2 {

// The daemon that has it open, nullptr if nobody has.
std::shared_ptr<qemu::StorageDaemon> Qcow2Backend::daemon_of(const std::string& opened) {
  std::string key;
  {
    MutexLock graph(graph_mutex_);
    auto found = opened_.find(opened);
    if (found == opened_.end()) return nullptr;
    key = found->second.daemon;
  }
  return daemons_.find(key);
}

void Qcow2Backend::open_chain(const std::string& key, const LayerId& top, bool writable, const KeyId& secret,
                              const std::function<void(qemu::QmpClient&)>& then) {
  require_sound(key, top);
  std::vector<LayerId> chain = chain_of(top);
  if (!daemon_of(key)) {
    find_damage(chain, writable);
  }
  require_sound(key, top);
  std::shared_ptr<qemu::StorageDaemon> daemon = daemons_.start(key);
  FAILPOINT("attach.after_daemon");
  bool was_open = note_opened(key, top);
  try {
    images_.open_chain(daemon->qmp(), chain, writable, secret);
    // In one that outlived the last varved: a merge that was cut off leaves nodes that would keep what is below them.
    images_.close_others(daemon->qmp(), chain);
    images_.seal(daemon->qmp(), {chain.begin() + (writable ? 1 : 0), chain.end()}, secret);
    if (then) then(daemon->qmp());
  } catch (const Error& fault) {
    if (!was_open) discard_chain(key);  // else it may serve others
    if (fault.code() == ErrorCode::BackendFailed) find_damage(chain, writable);
    require_sound(key, top);
    throw;
  }
}

backends::Device Qcow2Backend::open(const model::Source& source, const model::QosLimits& qos) {
  Hold hold(*this, source.volume);
  return source.snapshot ? open_snapshot(source) : open_volume(source, qos);
}

backends::Device Qcow2Backend::open_volume(const model::Source& source, const model::QosLimits& qos) {
  Manifest present = manifest(source.volume);
  const LayerId& active = present.active;
  std::function<void(qemu::QmpClient&)> add_filters = [&](qemu::QmpClient& qmp) {
    FAILPOINT("attach.after_open");
    images_.add_filters(qmp, active, present.key, qos);
  };
  open_chain(source.name(), active, true, present.key, add_filters);
  return {source, Images::throttle_node()};
}

backends::Device Qcow2Backend::open_snapshot(const model::Source& source) {
  Manifest from = manifest(source.volume);
  auto found = from.snapshots.find(*source.snapshot);
  if (found == from.snapshots.end()) missing("snapshot", source.snapshot->str());
  open_chain(source.name(), found->second.layer, false, from.key);
  return {source, Images::node(found->second.layer)};
}

void Qcow2Backend::close_chain(const std::string& key) {
  daemons_.stop(key);
  note_closed(key);
}

// After a fault, which it must not hide. Should the daemon stay for a while, QEMU's locks keep others off its images.
void Qcow2Backend::discard_chain(const std::string& key) {
  daemons_.discard(key);
  note_closed(key);
}

bool Qcow2Backend::note_opened(const std::string& key, const LayerId& top) {
  MutexLock graph(graph_mutex_);
  return !opened_.insert_or_assign(key, Opened{key, top}).second;
}

void Qcow2Backend::note_closed(const std::string& key) {
  MutexLock graph(graph_mutex_);
  opened_.erase(key);
  blocked_.clear();
}

// A storage daemon that did not quit when the last who used it went.
void Qcow2Backend::close_unused(const VolumeId& volume) {
  if (daemon_of(volume.str())) close_chain(volume.str());
}

void Qcow2Backend::close(const model::Source& source) {
  Hold hold(*this, source.volume);
  close_chain(source.name());
  FAILPOINT("detach.after_close");
}

void Qcow2Backend::set_qos(const VolumeId& volume, const model::QosLimits& qos) {
  Hold hold(*this, volume, Hold::Merges::Leave);
  if (auto daemon = daemon_of(volume.str())) images_.set_throttle(daemon->qmp(), qos);
}

// With its whole chain open, in a daemon that no restart adopts: QEMU then covers with zeros what a larger layer below
// holds behind the old end.
void Qcow2Backend::resize_closed(const Manifest& manifest, std::int64_t size_gib) {
  const std::string key = std::string(kResizeKey) + manifest.volume.str();
  try {
    open_chain(key, manifest.active, true, manifest.key);
    images_.resize(daemons_.start(key)->qmp(), manifest.active, size_gib);
    close_chain(key);
  } catch (const Error&) {
    discard_chain(key);
    throw;
  }
}

// A storage daemon ended that nobody asked to end. The pool and those of a moment are started again when wanted.
void Qcow2Backend::lost(const std::string& key) {
  note_closed(key);
  std::optional<model::Source> source;
  {
    MutexLock graph(graph_mutex_);
    source = source_of(key);
  }
  if (!source) return;
  LostCallback callback;
  {
    MutexLock lock(callback_mutex_);
    callback = on_lost_;
  }
  log::error("an attached volume lost its storage daemon; it is started again", {{"daemon", key}});
  if (callback) callback(*source);
}

}  // namespace varve::qcow2
