// What a volume is made of, on disk: volumes/<id>.json, replaced atomically. The manifests and the backing-file names
// in the images are all that is needed to find every byte of every volume and snapshot, without the database.
//
//   {"version":2, "volume":"<id>", "size_gib":10, "active":"<layer>", "root":"<layer>",
//    "pool":"<name>", "key":"<id>"|"", "snapshots":{"<id>":{"layer":"<layer>","size_gib":10}},
//    "intent":{"overlay":"<layer>","snapshot":"<id>"|"","pool":"<name>"|"","made":true}, "dropped":["<layer>", ...]}
//
// root: the lowest layer that the volume does not share with the volume it was cloned from; "" when it shares nothing.
// pool: where new layers go; "" is the default one. key: of the layers that are encrypted.
//
// intent: an open volume is being switched to this overlay. It is written before the switch and cleared after it;
// whoever finds it rolls forward, since an empty overlay on the active layer reads the same. made: the overlay was
// there before the intent was, so that it is lost if it is not found; earlier versions made it afterwards.
//
// dropped: layers that were the volume's until an operation that committed let go of them. Being listed here is the
// proof that a layer's file may be removed (once nothing stands on it); what is not listed is never removed.
// A volume is deleted by renaming its manifest to volumes/<id>.deleted: a tombstone, by which all that it names is
// dropped, and which goes after the last of these layers. (A rename needs no room on a full disk.)
//
// Version 1 (read, never written) had no dropped layers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/id.h"

namespace varve::qcow2 {

struct FrozenLayer {
  LayerId layer;
  std::int64_t size_gib = 0;
};

inline constexpr char kDefaultPool[] = "default";  // which manifests leave out

struct Intent {
  LayerId overlay;
  SnapshotId snapshot;  // empty: only freeze
  std::string pool;     // empty: the volume stays in its pool; else it moves there
  bool made = false;
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
  std::set<LayerId> dropped;
  VolumeId taken_from;        // the id that it had, whose manifest may still be there; empty: none
  bool lists_dropped = true;  // false: it is of version 1

  // The layers that it refers to: the active one and those of the snapshots.
  std::set<LayerId> referred() const;
  // And the overlay of a switch that was begun, which may not be there.
  std::set<LayerId> tops() const;
  // Where that overlay is made, by the pool's name.
  std::string overlay_pool() const;
};

std::string serialize(const Manifest& manifest);
// Throws Error(BackendFailed), saying why, when the text is not a manifest of a known version.
Manifest parse_manifest(std::string_view text);

void save(const std::filesystem::path& file, const Manifest& manifest);

}  // namespace varve::qcow2
