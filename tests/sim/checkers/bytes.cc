// The backend holds what the rows say. What failed may or may not have bytes, but has a row.

#include "invariants.h"

namespace varve::sim {

namespace {

bool may_lack_bytes(const model::Volume& volume) {
  return volume.status == model::VolumeStatus::Error || volume.status == model::VolumeStatus::ErrorDeleting;
}

bool may_lack_bytes(const model::Snapshot& snapshot) {
  return snapshot.status != model::SnapshotStatus::Available;
}

}  // namespace

std::string stray_bytes(const View& view) {
  for (const auto& [id, kept] : view.backend) {
    if (view.find(id) == nullptr) return "volume " + id.str() + " has bytes and no row";
    for (const SnapshotId& snapshot : kept.snapshots) {
      if (view.find(snapshot) == nullptr) return "snapshot " + snapshot.str() + " has bytes and no row";
    }
  }
  return {};
}

std::string missing_bytes(const View& view) {
  for (const model::Volume& volume : view.volumes) {
    if (may_lack_bytes(volume)) continue;
    auto found = view.backend.find(volume.id);
    std::string what = "volume " + volume.id.str() + " (" + std::string(to_string(volume.status)) + ")";
    if (found == view.backend.end()) return what + " has no bytes";
    if (found->second.size_gib < volume.size_gib) return what + " is smaller than its row says";
  }
  for (const model::Snapshot& snapshot : view.snapshots) {
    if (may_lack_bytes(snapshot)) continue;
    auto found = view.backend.find(snapshot.volume_id);
    if (found == view.backend.end() || !found->second.snapshots.contains(snapshot.id)) {
      return "snapshot " + snapshot.id.str() + " has no bytes";
    }
  }
  return {};
}

}  // namespace varve::sim
