#include "backends/qcow2/survey.h"

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/text.h"

namespace varve::qcow2 {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kManifestSuffix = ".json";
constexpr std::string_view kTombstoneSuffix = ".deleted";

// The id in "<id><suffix>"; "" when the name is not of that form.
std::string id_in(const std::string& name, std::string_view suffix) {
  if (!name.ends_with(suffix)) return "";
  std::string id = name.substr(0, name.size() - suffix.size());
  return is_uuid(id) ? id : "";
}

// What can be read of it; a directory that is not there has nothing.
void each_entry(Survey& out, const fs::path& directory, const std::function<void(const fs::path&)>& visit) {
  std::error_code fault;
  fs::directory_iterator entry(directory, fault);
  if (fault == std::errc::no_such_file_or_directory) return;
  for (; !fault && entry != fs::directory_iterator(); entry.increment(fault)) visit(entry->path());
  if (fault) out.unlisted.push_back(directory.string() + ": " + fault.message());
}

ManifestFile read_manifest(const fs::path& path, const std::string& id) {
  ManifestFile out{path, std::unexpected(std::string()), false};
  std::string text;
  try {
    text = files::read(path);
  } catch (const Error& fault) {
    log::error("a manifest cannot be read", {{"error", fault.message()}});
    out.manifest = std::unexpected("its file cannot be read");
    out.unread = true;
    return out;
  }
  try {
    out.manifest = parse_manifest(text);
  } catch (const Error& fault) {
    out.manifest = std::unexpected(fault.message());
    return out;
  }
  if (out.manifest->volume.str() != id) {
    out.manifest = std::unexpected("it is that of the volume " + out.manifest->volume.str());
  }
  return out;
}

// It is certain that there is none.
bool is_missing(const fs::path& directory) {
  std::error_code fault;
  return !fs::exists(directory, fault) && !fault;
}

// By the manifest of a volume: it is in the pool, or was moving there.
bool is_named(const Survey& survey, const std::string& pool) {
  auto names = [&](const auto& entry) {
    const auto& manifest = entry.second.manifest;
    return manifest && (manifest->pool == pool || (manifest->intent && manifest->intent->pool == pool));
  };
  return std::ranges::any_of(survey.manifests, names) || std::ranges::any_of(survey.tombstones, names);
}

void survey_layers(Survey& out, const PoolDirectories& pool) {
  auto visit = [&](const fs::path& path) {
    std::string name = path.filename().string();
    std::string layer = id_in(name, kLayerSuffix);
    std::string draft = id_in(name, kDraftSuffix);
    if (layer.empty() && draft.empty()) {
      out.strays.push_back(path);
      return;
    }
    auto& of_kind = layer.empty() ? out.drafts : out.layers;
    LayerFile file{pool.name, path, read_header(path)};
    if (!of_kind.try_emplace(LayerId(layer.empty() ? draft : layer), file).second) out.twins.push_back(path);
  };
  std::size_t unlisted = out.unlisted.size();
  each_entry(out, pool.layers(), visit);
  if (is_missing(pool.layers()) && is_named(out, pool.name)) {
    out.unlisted.push_back(pool.layers().string() + ": it is not there, but volumes are in it; is its disk mounted?");
  }
  if (out.unlisted.size() > unlisted) out.absent_pools[pool.name] = out.unlisted.back();
}

// A layer that a manifest refers to, or that another stands on, is nowhere.
bool misses_layers(const Survey& survey) {
  auto is_missing = [&](const LayerId& layer) {
    return !survey.layers.contains(layer) && !survey.drafts.contains(layer) && !survey.quarantined.contains(layer);
  };
  for (const auto& [id, file] : survey.manifests) {
    if (file.manifest && std::ranges::any_of(file.manifest->referred(), is_missing)) return true;
  }
  return std::ranges::any_of(survey.layers, [&](const auto& entry) {
    const auto& header = entry.second.header;
    return header && header->parent && is_missing(*header->parent);
  });
}

// Pools that look as if they were new: while layers are missing, they may be where those are.
void suspect_bare_pools(Survey& out, const std::vector<PoolDirectories>& pools) {
  if (!misses_layers(out)) return;
  for (const PoolDirectories& pool : pools) {
    if (out.absent_pools.contains(pool.name) || !is_missing(pool.layers())) continue;
    out.absent_pools[pool.name] = pool.layers().string() +
                                  ": it is not there, and layers are missing that may be in it; is its disk mounted? "
                                  "For a new pool, make the directory";
    out.unlisted.push_back(out.absent_pools[pool.name]);
  }
}

void survey_quarantine(Survey& out, const PoolDirectories& pool) {
  auto visit = [&](const fs::path& path) {
    std::string layer = id_in(path.filename().string(), kLayerSuffix);
    if (layer.empty()) return;  // what else lies there is only counted
    out.quarantined.try_emplace(LayerId(layer), LayerFile{pool.name, path, read_header(path)});
  };
  each_entry(out, pool.quarantine(), visit);
}

// Pools that manifests name and the configuration does not.
void note_unconfigured(Survey& out, const std::vector<PoolDirectories>& pools) {
  for (const auto& [id, file] : out.manifests) {
    if (!file.manifest) continue;
    for (const std::string& name : {file.manifest->pool, file.manifest->overlay_pool()}) {
      if (name.empty() || name == kDefaultPool || out.absent_pools.contains(name)) continue;
      if (std::ranges::find(pools, name, &PoolDirectories::name) != pools.end()) continue;
      out.absent_pools[name] = "it is not among the configured pools (qcow2.pools), but volumes are in it";
      out.unlisted.push_back("the pool " + name + ": " + out.absent_pools[name]);
    }
  }
}

}  // namespace

bool Survey::knows_all_manifests() const {
  if (!unlisted.empty()) return false;
  auto is_unread = [](const auto& entry) { return entry.second.unread; };
  return std::ranges::none_of(manifests, is_unread) && std::ranges::none_of(tombstones, is_unread);
}

std::optional<std::string> foreign(const PoolDirectories& pool, const fs::path& store) {
  try {
    if (files::exists(pool.root / "volumes")) return "it is the directory of a store, and no pool beside one";
    if (!files::exists(pool.owner())) return std::nullopt;
    fs::path owner = trim(files::read(pool.owner()));
    if (owner == fs::weakly_canonical(store) || !files::exists(owner / "volumes")) return std::nullopt;
    return "it belongs to the store " + owner.string() + "; if that is wrong, remove " + pool.owner().string();
  } catch (const Error& fault) {
    return fault.message();
  }
}

Survey survey(const fs::path& store, const std::vector<PoolDirectories>& pools,
              const std::map<std::string, std::string>& silent) {
  Survey out;
  auto why_not = [&](const PoolDirectories& pool) -> std::optional<std::string> {
    if (auto found = silent.find(pool.name); found != silent.end()) return found->second;
    return &pool == &pools.front() ? std::nullopt : foreign(pool, store);
  };
  auto visit = [&](const fs::path& path) {
    std::string name = path.filename().string();
    if (!id_in(name, ".json.new").empty()) {
      out.half_written.push_back(path);
    } else if (std::string id = id_in(name, kManifestSuffix); !id.empty()) {
      out.manifests.emplace(VolumeId(id), read_manifest(path, id));
    } else if (std::string gone = id_in(name, kTombstoneSuffix); !gone.empty()) {
      out.tombstones.emplace(VolumeId(gone), read_manifest(path, gone));
    } else {
      out.strays.push_back(path);
    }
  };
  each_entry(out, store / "volumes", visit);
  if (!pools.empty()) note_unconfigured(out, pools);
  for (const PoolDirectories& pool : pools) {
    if (std::optional<std::string> why = why_not(pool)) {
      out.absent_pools[pool.name] = *why;
      out.unlisted.push_back(pool.layers().string() + ": " + *why);
    } else {
      survey_layers(out, pool);
      survey_quarantine(out, pool);
    }
  }
  suspect_bare_pools(out, pools);
  return out;
}

}  // namespace varve::qcow2
