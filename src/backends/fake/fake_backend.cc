#include "backends/fake/fake_backend.h"

namespace varve::fake {

void FakeBackend::fail_next(ErrorCode code) {
  MutexLock lock(mutex_);
  failure_ = code;
}

void FakeBackend::enter() {
  if (!failure_) return;
  ErrorCode code = *failure_;
  failure_.reset();
  throw Error(code, "asked to fail");
}

FakeBackend::Kept& FakeBackend::kept(const VolumeId& volume) {
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
  MutexLock lock(mutex_);
  enter();
  volumes_.try_emplace(volume, Kept{size_gib, {}, false});
}

void FakeBackend::clone_snapshot(const VolumeId& volume, std::int64_t size_gib, const VolumeId& source,
                                 const SnapshotId& snapshot, const std::string&) {
  MutexLock lock(mutex_);
  enter();
  if (volumes_.contains(volume)) return;
  require_snapshot(source, snapshot);
  volumes_[volume] = Kept{size_gib, {}, false};
}

void FakeBackend::clone_volume(const VolumeId& volume, std::int64_t size_gib, const VolumeId& source,
                               const std::string&) {
  MutexLock lock(mutex_);
  enter();
  if (volumes_.contains(volume)) return;
  kept(source);
  volumes_[volume] = Kept{size_gib, {}, false};
}

void FakeBackend::migrate(const VolumeId& volume, const std::string&) {
  MutexLock lock(mutex_);
  enter();
  kept(volume);
}

void FakeBackend::adopt_volume(const VolumeId&, const std::string& name) {
  throw Error(ErrorCode::BackendFailed, "there is no " + name);
}

void FakeBackend::rename_snapshot(const VolumeId& volume, const SnapshotId& from, const SnapshotId& to) {
  MutexLock lock(mutex_);
  enter();
  Kept& found = kept(volume);
  if (found.snapshots.erase(from) > 0) found.snapshots.insert(to);
}

void FakeBackend::delete_volume(const VolumeId& volume) {
  MutexLock lock(mutex_);
  enter();
  volumes_.erase(volume);
}

void FakeBackend::extend_volume(const VolumeId& volume, std::int64_t size_gib) {
  MutexLock lock(mutex_);
  enter();
  Kept& found = kept(volume);
  found.size_gib = std::max(found.size_gib, size_gib);
}

void FakeBackend::create_snapshot(const VolumeId& volume, const SnapshotId& snapshot) {
  MutexLock lock(mutex_);
  enter();
  kept(volume).snapshots.insert(snapshot);
}

void FakeBackend::delete_snapshot(const VolumeId& volume, const SnapshotId& snapshot) {
  MutexLock lock(mutex_);
  enter();
  auto found = volumes_.find(volume);
  if (found != volumes_.end()) found->second.snapshots.erase(snapshot);
}

void FakeBackend::rollback(const VolumeId& volume, const SnapshotId& snapshot) {
  MutexLock lock(mutex_);
  enter();
  require_snapshot(volume, snapshot);
}

model::BlockDevice FakeBackend::open(const VolumeId& volume, const model::QosLimits&) {
  MutexLock lock(mutex_);
  enter();
  kept(volume).open = true;
  return {volume.str(), "volume"};
}

void FakeBackend::close(const VolumeId& volume) {
  MutexLock lock(mutex_);
  enter();
  auto found = volumes_.find(volume);
  if (found != volumes_.end()) found->second.open = false;
}

model::BlockDevice FakeBackend::open_snapshot(const VolumeId& volume, const SnapshotId& snapshot) {
  MutexLock lock(mutex_);
  enter();
  require_snapshot(volume, snapshot);
  return {"snapshot-" + snapshot.str(), "snapshot"};
}

bool FakeBackend::has_volume(const VolumeId& volume) {
  MutexLock lock(mutex_);
  return volumes_.contains(volume);
}

std::vector<VolumeId> FakeBackend::volumes() {
  MutexLock lock(mutex_);
  std::vector<VolumeId> out;
  for (const auto& [id, kept] : volumes_) out.push_back(id);
  return out;
}

}  // namespace varve::fake
