// How the storage daemons of this backend are called: a volume's has the volume's id.
#pragma once

#include <string>
#include <string_view>

#include "base/id.h"

namespace varve::qcow2 {

inline constexpr char kPool[] = "pool";  // makes images
inline constexpr std::string_view kSnapshotKey = "snapshot-";
inline constexpr std::string_view kResizeKey = "resize-";  // of a closed volume, while it grows
// A merge of layers that nobody has open has a storage daemon of its own: one that hangs is nobody else's trouble.
inline constexpr std::string_view kMergeKey = "merge-";

inline std::string snapshot_key(const SnapshotId& snapshot) {
  return std::string(kSnapshotKey) + snapshot.str();
}

}  // namespace varve::qcow2
