// The start of the backend: what the files and the storage daemons that outlived the last varved tell about layers,
// volumes and snapshots. Runs in the constructor, before anybody else works.

#include <algorithm>
#include <functional>

#include "backends/qcow2/qcow2_backend.h"
#include "base/error.h"
#include "base/files.h"
#include "base/log.h"

namespace varve::qcow2 {

namespace fs = std::filesystem;

namespace {
constexpr char kPool[] = "pool";
constexpr std::string_view kSnapshotKey = "snapshot-";
}  // namespace

// A merge that the last varved began may still run in a storage daemon that outlived it, and change the very headers
// that are about to be read. It is cancelled; maintenance begins it anew. In a daemon that does not answer now it is
// cancelled before anything else: what is read here then shows the layers that it has swallowed as still needed, and a
// merge that is begun anew finds that they are not.
void Qcow2Backend::quiet_adopted() {
  daemons_.adopt_all();
}

void Qcow2Backend::load_layers() {
  std::map<LayerId, std::optional<LayerId>> parents;
  for (const Pool& pool : images_.pools()) {
    for (const auto& entry : fs::directory_iterator(pool.directory)) {
      if (entry.path().extension() != ".qcow2") continue;
      LayerId id(entry.path().stem().string());
      if (std::optional<Header> header = read_header(entry.path())) {
        parents[id] = header->parent;
        images_.place(id, pool.name);
      } else {
        log::warning("an image whose creation was cut off is removed", {{"layer", id}});
        files::remove_durably(entry.path());
      }
    }
  }
  // Parents first; a parent that is missing breaks only the layers that stand on it.
  std::function<bool(const LayerId&)> add = [&](const LayerId& id) {
    if (graph_.contains(id)) return true;
    auto found = parents.find(id);
    if (found == parents.end()) return false;
    if (found->second && !add(*found->second)) return false;
    graph_.add(id, found->second);
    return true;
  };
  for (const auto& [id, parent] : parents) {
    if (!add(id)) log::error("a layer's parent is missing", {{"layer", id}});
  }
}

void Qcow2Backend::load_manifests() {
  for (const auto& entry : fs::directory_iterator(config_.directory / "volumes")) {
    if (entry.path().extension() != ".json") continue;
    Manifest manifest = load(entry.path());
    bool whole = graph_.contains(manifest.active);
    for (const auto& [id, frozen] : manifest.snapshots) whole &= graph_.contains(frozen.layer);
    if (!whole) {
      throw Error(ErrorCode::BackendFailed, "the images of volume " + manifest.volume.str() +
                                                " are not all there (see " + entry.path().string() + ")");
    }
    graph_.refer(manifest.active);
    for (const auto& [id, frozen] : manifest.snapshots) graph_.refer(frozen.layer);
    manifests_[manifest.volume] = std::move(manifest);
  }
  for (auto& [id, manifest] : manifests_) repair_root(manifest);
}

// A crash between a merge and its manifest leaves a root that the chain has no more: it is then the layer above the
// first one that another volume uses too, or none.
void Qcow2Backend::repair_root(Manifest& manifest) {
  std::vector<LayerId> chain = graph_.chain(manifest.active);
  if (manifest.root.empty() || std::find(chain.begin(), chain.end(), manifest.root) != chain.end()) return;
  std::set<LayerId> foreign;
  for (const auto& [id, other] : manifests_) {
    if (id == manifest.volume) continue;
    for (const LayerId& layer : graph_.chain(other.active)) foreign.insert(layer);
    for (const auto& [snapshot, frozen] : other.snapshots) {
      for (const LayerId& layer : graph_.chain(frozen.layer)) foreign.insert(layer);
    }
  }
  manifest.root = LayerId();
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (!foreign.contains(chain[i])) continue;
    manifest.root = chain[i - 1];
    break;
  }
  save(manifest_file(manifest.volume), manifest);
}

// Volumes whose storage daemons outlived the last varved; then every unfinished switch is finished.
void Qcow2Backend::resume_opened() {
  for (const std::string& key : daemons_.keys()) {
    if (key == kPool) continue;
    if (!daemons_.find(key)) continue;
    if (std::optional<LayerId> top = top_of(key)) {
      opened_[key] = {key, *top};
      continue;
    }
    daemons_.discard(key);
  }
  std::vector<VolumeId> unfinished;
  for (const auto& [id, manifest] : manifests_) {
    if (manifest.intent) unfinished.push_back(id);
  }
  for (const VolumeId& id : unfinished) resume_intent(id);
}

// A switch whose storage daemon does not answer is finished by the volume's next operation that reaches it. Until then
// the overlay is nobody's to remove, as it was before it was known to the graph.
void Qcow2Backend::resume_intent(const VolumeId& volume) {
  try {
    finish_intent(volume);
  } catch (const Error& fault) {
    if (fault.code() != ErrorCode::Unavailable) throw;
    log::error("a switch to a new layer is not finished yet", {{"volume", volume}, {"error", fault.message()}});
    const LayerId& overlay = manifests_.at(volume).intent->overlay;
    if (graph_.contains(overlay)) graph_.remove(overlay);
  }
}

// The layer that a daemon of this key has open; nullopt: its volume or snapshot is gone.
std::optional<LayerId> Qcow2Backend::top_of(const std::string& key) const {
  for (const auto& [id, manifest] : manifests_) {
    if (id.str() == key) return manifest.active;
    if (!key.starts_with(kSnapshotKey)) continue;
    auto frozen = manifest.snapshots.find(SnapshotId(key.substr(kSnapshotKey.size())));
    if (frozen != manifest.snapshots.end()) return frozen->second.layer;
  }
  return std::nullopt;
}

}  // namespace varve::qcow2
