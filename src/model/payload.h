// What a task works with besides its own volume, snapshot and attachment. Its kind says which of these it has; most
// kinds need none.
#pragma once

#include <compare>
#include <string>
#include <variant>

#include "base/id.h"
#include "model/status.h"

namespace varve::model {

struct PoolName {
  std::string name;
  auto operator<=>(const PoolName&) const = default;
};

// How a pool lists an image that is not managed.
struct FoundName {
  std::string name;
  auto operator<=>(const FoundName&) const = default;
};

// An export that ends. forget: its attachment ends with it; otherwise, and if it cannot be ended, that goes back to
// what it was before.
struct Disconnection {
  bool forget = false;
  AttachmentStatus before = AttachmentStatus::Attached;
  auto operator<=>(const Disconnection&) const = default;
};

using Payload = std::variant<std::monostate,
                             VolumeId,         // CreateVolume: the volume that is copied, or whose snapshot is
                             SnapshotId,       // ManageSnapshot: what the snapshot is called so far
                             ImageId,          // CreateVolumeFromImage, ReimageVolume, UploadVolume
                             BackupId,         // BackupVolume, RestoreBackup, CreateVolumeFromBackup, DeleteBackup
                             GroupSnapshotId,  // CreateGroupSnapshot
                             VolumeTypeId,     // RetypeVolume: the new one
                             PoolName,         // MigrateVolume: where to
                             FoundName,        // ManageVolume
                             Disconnection>;   // StopExport

}  // namespace varve::model
