#include "backends/fake/fake_backend.h"

#include <algorithm>
#include <utility>

namespace varve::fake {

void FakeBackend::watch(Watch watch) {
  MutexLock lock(mutex_);
  watch_ = std::move(watch);
}

std::map<VolumeId, Kept> FakeBackend::contents() const {
  MutexLock lock(mutex_);
  return volumes_;
}

void FakeBackend::on_lost(LostCallback callback) {
  MutexLock lock(mutex_);
  on_lost_ = std::move(callback);
}

void FakeBackend::set_damage(const model::Source& source, const std::string& reason) {
  MutexLock lock(mutex_);
  damages_[source] = reason;
  ++damage_version_;
}

std::optional<std::string> FakeBackend::damage(const model::Source& source) {
  MutexLock lock(mutex_);
  auto found = damages_.find(source);
  if (found == damages_.end() || found->second.empty()) return std::nullopt;
  return found->second;
}

std::uint64_t FakeBackend::damage_version() {
  MutexLock lock(mutex_);
  return damage_version_;
}

void FakeBackend::lose(const model::Source& source) {
  LostCallback tell;
  {
    MutexLock lock(mutex_);
    if (!shut(source)) return;
    tell = on_lost_;
  }
  if (tell) tell(source);
}

// Whether it was open.
bool FakeBackend::shut(const model::Source& source) {
  auto found = volumes_.find(source.volume);
  if (found == volumes_.end()) return false;
  if (source.snapshot) return found->second.open_snapshots.erase(*source.snapshot) > 0;
  return std::exchange(found->second.open, false);
}

// The watch may look at what is there, or wait: no lock is held meanwhile.
void FakeBackend::perform(std::string_view call, const VolumeId& volume, const std::function<void()>& work) {
  Watch watch;
  {
    MutexLock lock(mutex_);
    watch = watch_;
  }
  std::optional<Failure> failure = watch ? watch(call, volume) : std::nullopt;
  if (!failure || failure->done) {
    MutexLock lock(mutex_);
    work();
  }
  if (failure) throw Error(failure->code, "asked to fail");
}

Kept& FakeBackend::kept(const VolumeId& volume) {
  auto found = volumes_.find(volume);
  if (found == volumes_.end()) throw Error(ErrorCode::BackendFailed, "the volume " + volume.str() + " has no image");
  return found->second;
}

void FakeBackend::require_snapshot(const VolumeId& volume, const SnapshotId& snapshot) {
  if (!kept(volume).snapshots.contains(snapshot)) {
    throw Error(ErrorCode::BackendFailed, "the snapshot " + snapshot.str() + " has no image");
  }
}

void FakeBackend::create_volume(const VolumeId& volume, std::int64_t size_gib, const backends::Placement&) {
  perform("create_volume", volume,
          [&]() VARVE_REQUIRES(mutex_) { volumes_.try_emplace(volume, Kept{size_gib, {}, false, {}}); });
}

void FakeBackend::clone_snapshot(const VolumeId& volume, std::int64_t size_gib, const VolumeId& source,
                                 const SnapshotId& snapshot, const std::string&) {
  perform("clone_snapshot", volume, [&]() VARVE_REQUIRES(mutex_) {
    if (volumes_.contains(volume)) return;
    require_snapshot(source, snapshot);
    volumes_[volume] = Kept{size_gib, {}, false, {}};
  });
}

void FakeBackend::clone_volume(const VolumeId& volume, std::int64_t size_gib, const VolumeId& source,
                               const std::string&) {
  perform("clone_volume", volume, [&]() VARVE_REQUIRES(mutex_) {
    if (volumes_.contains(volume)) return;
    kept(source);
    volumes_[volume] = Kept{size_gib, {}, false, {}};
  });
}

void FakeBackend::migrate(const VolumeId& volume, const std::string&) {
  perform("migrate", volume, [&]() VARVE_REQUIRES(mutex_) { kept(volume); });
}

void FakeBackend::adopt_volume(const VolumeId&, const std::string& name) {
  throw Error(ErrorCode::BackendFailed, "there is no " + name);
}

void FakeBackend::rename_snapshot(const VolumeId& volume, const SnapshotId& from, const SnapshotId& to) {
  perform("rename_snapshot", volume, [&]() VARVE_REQUIRES(mutex_) {
    Kept& found = kept(volume);
    if (found.snapshots.erase(from) > 0) found.snapshots.insert(to);
  });
}

void FakeBackend::delete_volume(const VolumeId& volume, const std::set<SnapshotId>& snapshots) {
  perform("delete_volume", volume, [&]() VARVE_REQUIRES(mutex_) {
    auto found = volumes_.find(volume);
    if (found == volumes_.end()) return;
    for (const SnapshotId& snapshot : found->second.snapshots) {
      if (!snapshots.contains(snapshot)) {
        throw Error(ErrorCode::BackendFailed, volume.str() + std::string(backends::kOthers) + snapshot.str());
      }
    }
    volumes_.erase(found);
  });
}

void FakeBackend::extend_volume(const VolumeId& volume, std::int64_t size_gib) {
  perform("extend_volume", volume, [&]() VARVE_REQUIRES(mutex_) {
    Kept& found = kept(volume);
    found.size_gib = std::max(found.size_gib, size_gib);
  });
}

void FakeBackend::make_way(const VolumeId& volume) {
  perform("make_way", volume, [] {});
}

void FakeBackend::create_snapshot(const VolumeId& volume, const SnapshotId& snapshot) {
  perform("create_snapshot", volume, [&]() VARVE_REQUIRES(mutex_) { kept(volume).snapshots.insert(snapshot); });
}

void FakeBackend::delete_snapshot(const VolumeId& volume, const SnapshotId& snapshot) {
  perform("delete_snapshot", volume, [&]() VARVE_REQUIRES(mutex_) {
    auto found = volumes_.find(volume);
    if (found != volumes_.end()) found->second.snapshots.erase(snapshot);
  });
}

void FakeBackend::rollback(const VolumeId& volume, const SnapshotId& snapshot) {
  perform("rollback", volume, [&]() VARVE_REQUIRES(mutex_) { require_snapshot(volume, snapshot); });
}

backends::Device FakeBackend::open(const model::Source& source, const model::QosLimits&) {
  perform(source.snapshot ? "open_snapshot" : "open", source.volume, [&]() VARVE_REQUIRES(mutex_) {
    if (!source.snapshot) {
      kept(source.volume).open = true;
      return;
    }
    require_snapshot(source.volume, *source.snapshot);
    kept(source.volume).open_snapshots.insert(*source.snapshot);
  });
  return {source, "node"};
}

void FakeBackend::close(const model::Source& source) {
  perform(source.snapshot ? "close_snapshot" : "close", source.volume, [&]() VARVE_REQUIRES(mutex_) { shut(source); });
}

void FakeBackend::set_qos(const VolumeId& volume, const model::QosLimits&) {
  perform("set_qos", volume, [] {});
}

std::vector<VolumeId> FakeBackend::volumes() {
  MutexLock lock(mutex_);
  std::vector<VolumeId> out;
  for (const auto& [id, kept] : volumes_) out.push_back(id);
  return out;
}

bool FakeBackend::has_volume(const VolumeId& volume) {
  MutexLock lock(mutex_);
  return volumes_.contains(volume);
}

}  // namespace varve::fake
