// What lies in a store's directories, looked at and not touched: the first half of every start, and of `varved doctor`.
//
// Nothing here fails as a whole: what cannot be read is noted with the reason. Any thread; no locks.
#pragma once

#include <expected>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "backends/qcow2/header.h"
#include "backends/qcow2/manifest.h"

namespace varve::qcow2 {

// Where a pool keeps its files.
struct PoolDirectories {
  std::string name;
  std::filesystem::path root;

  std::filesystem::path layers() const { return root / "layers"; }
  std::filesystem::path quarantine() const { return root / "quarantine"; }
  std::filesystem::path manageable() const { return root / "manageable"; }
  // A file with the directory of the store that the pool belongs to; the store's own pool has none.
  std::filesystem::path owner() const { return root / "store"; }
};

inline constexpr std::string_view kLayerSuffix = ".qcow2";
// A layer that is being made. Nobody writes to it under this name; a manifest that names the layer makes it one.
inline constexpr std::string_view kDraftSuffix = ".qcow2.new";

struct LayerFile {
  std::string pool;
  std::filesystem::path path;
  std::expected<Header, std::string> header;
};

struct ManifestFile {
  std::filesystem::path path;
  std::expected<Manifest, std::string> manifest = std::unexpected(std::string());
  bool unread = false;  // it could not be read (an I/O fault, access): nothing is known of its content
};

struct Survey {
  std::map<LayerId, LayerFile> layers;
  std::map<LayerId, LayerFile> drafts;
  std::map<LayerId, LayerFile> quarantined;
  std::map<VolumeId, ManifestFile> manifests;  // by the file's name
  std::map<VolumeId, ManifestFile> tombstones;
  std::vector<std::filesystem::path> strays;        // in our directories, with names that we do not give
  std::vector<std::filesystem::path> twins;         // of layers that were found already
  std::vector<std::filesystem::path> half_written;  // manifests that were being replaced; the old ones are whole
  std::vector<std::string> unlisted;                // directories that could not be read to the end, and why

  std::map<std::string, std::string> absent_pools;  // whose layers could not be listed, by name, and why

  // Every manifest that there is was seen and its content looked at: what none of them names, none of them needs.
  bool knows_all_manifests() const;
};

// Why the pool is not this store's; nullopt: it is, or nobody's: of a store that is not where it was any more, too.
std::optional<std::string> foreign(const PoolDirectories& pool, const std::filesystem::path& store);

// store: its directory. pools: the store's own first. silent: those of them that must not be touched, and why.
Survey survey(const std::filesystem::path& store, const std::vector<PoolDirectories>& pools,
              const std::map<std::string, std::string>& silent = {});

}  // namespace varve::qcow2
