// What a volume is made of, on disk: volumes/<id>.json, replaced atomically. The manifests and the backing-file names
// in the images are all that is needed to find every byte of every volume and snapshot, without the database.
//
//   {"version":1, "volume":"<id>", "size_gib":10, "active":"<layer>", "root":"<layer>",
//    "pool":"<name>", "key":"<id>"|"", "snapshots":{"<id>":{"layer":"<layer>","size_gib":10}},
//    "intent":{"overlay":"<layer>","snapshot":"<id>"|"","pool":"<name>"|""}}
//
// root: the lowest layer that the volume does not share with the volume it was cloned from; "" when it shares nothing.
// pool: where new layers go; "" is the default one. key: of the layers that are encrypted.
// intent: an open volume is being switched to this overlay. It is written before the switch and cleared after it;
// whoever finds it rolls forward, since an empty overlay on the active layer reads the same.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "base/id.h"

namespace varve::qcow2 {

struct FrozenLayer {
  LayerId layer;
  std::int64_t size_gib = 0;
};

struct Intent {
  LayerId overlay;
  SnapshotId snapshot;  // empty: only freeze
  std::string pool;     // empty: the volume stays in its pool; else it moves there
};

struct Manifest {
  VolumeId volume;
  std::int64_t size_gib = 0;
  LayerId active;
  LayerId root;
  std::string pool;
  KeyId key;  // empty: not encrypted
  std::map<SnapshotId, FrozenLayer> snapshots;
  std::optional<Intent> intent;
};

void save(const std::filesystem::path& file, const Manifest& manifest);
// Throws Error(BackendFailed) naming the file when it is not a manifest of this version.
Manifest load(const std::filesystem::path& file);

}  // namespace varve::qcow2
