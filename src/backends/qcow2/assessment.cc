#include "backends/qcow2/assessment.h"

#include <algorithm>
#include <utility>

namespace varve::qcow2 {

namespace {

constexpr char kMissing[] = "its file is missing";
constexpr char kForeignBacking[] = "its backing file is no layer";
constexpr char kCircle[] = "it stands on itself";
constexpr char kUnaccounted[] = "no manifest names it and no deletion of it is on record";
constexpr char kInQuarantine[] = "it is in quarantine";

class Assessor {
 public:
  explicit Assessor(const Survey& survey) : survey_(survey) {}

  Assessment run() {
    take_manifests();
    for (auto& [id, manifest] : out_.manifests) need(manifest);
    for (auto& [id, manifest] : out_.manifests) take_size(manifest);
    for (auto& [id, manifest] : out_.manifests) own_what_is_between(manifest);
    take_dropped();
    take_the_rest();
    take_drafts();
    take_quarantined();
    refuse_older_manifests();
    refuse_shared_layers();
    return std::move(out_);
  }

 private:
  void take_manifests() {
    for (const auto& [id, file] : survey_.manifests) {
      if (!file.manifest) {
        out_.unreadable[id] = file.manifest.error();
      } else {
        out_.manifests[id] = *file.manifest;
      }
    }
  }

  // Where a needed layer's file is; nullptr if nowhere.
  const LayerFile* locate(const LayerId& id) {
    if (auto found = survey_.layers.find(id); found != survey_.layers.end()) return &found->second;
    if (auto found = survey_.drafts.find(id); found != survey_.drafts.end()) {
      out_.drafts_to_finish.insert(id);
      return &found->second;
    }
    if (auto found = survey_.quarantined.find(id); found != survey_.quarantined.end()) {
      out_.to_put_back.insert(id);
      return &found->second;
    }
    return nullptr;
  }

  std::string missing() const {
    if (survey_.absent_pools.empty()) return kMissing;
    return "its file is not there, perhaps with the pool " + survey_.absent_pools.begin()->first +
           ", which cannot be used now";
  }

  void add_needed(const LayerId& id) {
    if (out_.graph.contains(id)) return;
    const LayerFile* file = locate(id);
    if (file == nullptr) {
      out_.graph.add(id, std::nullopt, missing());
    } else {
      add_file(id, *file);
    }
  }

  void add_file(const LayerId& id, const LayerFile& file) {
    if (!file.header) return out_.graph.add(id, std::nullopt, file.header.error());
    if (!file.header->parent) {
      return out_.graph.add(id, std::nullopt, file.header->has_backing ? kForeignBacking : "");
    }
    if (!path_.insert(id).second) return;
    add_needed(*file.header->parent);
    path_.erase(id);
    // Only a damaged file can lead back to itself.
    if (!out_.graph.contains(*file.header->parent)) return out_.graph.add(id, std::nullopt, kCircle);
    if (!out_.graph.contains(id)) out_.graph.add(id, file.header->parent);
  }

  void need(const Manifest& manifest) {
    for (const LayerId& layer : manifest.referred()) refer(layer);
    // The overlay of a switch that was begun: once it has its name, the client may have written to it. Nor can it be
    // said that there is none as long as its pool was not seen, and what was made is lost if it is not there.
    if (manifest.intent && (manifest.intent->made || is_in_place(manifest.intent->overlay) || may_be_away(manifest))) {
      add_needed(manifest.intent->overlay);
      note_reachable(manifest.intent->overlay);
    }
  }

  // What its client sees is as large as the active layer: the manifest is of before an extension, or that was cut off.
  // An overlay of the size that it tells would hide the rest.
  void take_size(Manifest& manifest) {
    const LayerFile* active = locate(manifest.active);
    if (active == nullptr || !active->header) return;
    constexpr std::uint64_t kGib = 1ULL << 30;
    auto gib = static_cast<std::int64_t>((active->header->virtual_size + kGib - 1) / kGib);
    manifest.size_gib = std::max(manifest.size_gib, gib);
  }

  bool is_in_place(const LayerId& layer) const {
    return survey_.layers.contains(layer) || survey_.quarantined.contains(layer);
  }

  bool may_be_away(const Manifest& manifest) const {
    return !survey_.drafts.contains(manifest.intent->overlay) && survey_.absent_pools.contains(manifest.overlay_pool());
  }

  void refer(const LayerId& id) {
    add_needed(id);
    out_.graph.refer(id);
    referred_.insert(id);
    note_reachable(id);
  }

  void note_reachable(const LayerId& top) {
    for (std::optional<LayerId> next = top; next && reachable_.insert(*next).second;) next = out_.graph.parent(*next);
  }

  // Stores of version 1 did not write down what they dropped: a layer that the volume shares with nobody below and that
  // no manifest refers to was the volume's own, and it let go of it.
  void own_what_is_between(Manifest& manifest) {
    if (std::exchange(manifest.lists_dropped, true)) return;
    for (const LayerId& top : manifest.referred()) {
      for (const LayerId& layer : own_chain(top, manifest.root)) {
        if (!referred_.contains(layer)) manifest.dropped.insert(layer);
      }
    }
  }

  void take_dropped() {
    for (auto& [id, manifest] : out_.manifests) {
      // One that was not seen may be in a directory that could not be read.
      std::erase_if(manifest.dropped,
                    [&](const LayerId& layer) { return !take_dropped(layer, id) && survey_.unlisted.empty(); });
    }
    for (const auto& [id, file] : survey_.tombstones) {
      if (file.manifest) out_.deleted[id] = take_all_of(*file.manifest);
    }
  }

  // What a deleted volume named, and what was its own between that.
  std::set<LayerId> take_all_of(const Manifest& manifest) {
    std::set<LayerId> named = manifest.referred();
    named.insert(manifest.dropped.begin(), manifest.dropped.end());
    if (manifest.intent) named.insert(manifest.intent->overlay);
    std::set<LayerId> taken;
    auto take = [&](const LayerId& layer) {
      if (!referred_.contains(layer) && take_dropped(layer, manifest.volume)) taken.insert(layer);
    };
    for (const LayerId& layer : named) take(layer);
    if (manifest.lists_dropped) return taken;
    for (const LayerId& top : manifest.referred()) {
      for (const LayerId& layer : own_chain(top, manifest.root)) take(layer);
    }
    return taken;
  }

  // From the top to the root of what the volume shares with nobody below; nothing when that is not known.
  std::vector<LayerId> own_chain(const LayerId& top, const LayerId& root) {
    if (!out_.graph.contains(top) || out_.graph.damage(top)) return {};
    std::vector<LayerId> chain = out_.graph.chain(top);
    if (root.empty()) return chain;
    auto end = std::find(chain.begin(), chain.end(), root);
    if (end == chain.end()) return {};
    chain.erase(end + 1, chain.end());
    return chain;
  }

  // In quarantine it stays as it is, unless another layer stands on it.
  bool take_dropped(const LayerId& layer, const VolumeId& by) {
    bool is_there =
        survey_.layers.contains(layer) || survey_.drafts.contains(layer) || out_.to_put_back.contains(layer);
    if (!is_there) return false;
    add_needed(layer);
    out_.dropped[layer] = by;
    return true;
  }

  void take_the_rest() {
    auto& where = survey_.knows_all_manifests() ? out_.to_set_aside : out_.unaccounted;
    for (const auto& [id, file] : survey_.layers) {
      if (reachable_.contains(id) || out_.dropped.contains(id)) continue;
      where[id] = file.header ? kUnaccounted : std::string(kUnaccounted) + "; " + file.header.error();
    }
    for (const auto& [id, reason] : where) keep_in_graph(id, survey_.layers.at(id), reason);
  }

  // Whatever it stands on, if that is there, must not go either.
  void keep_in_graph(const LayerId& id, const LayerFile& file, const std::string& reason) {
    if (!out_.graph.contains(id)) {
      std::optional<LayerId> parent;
      if (file.header && file.header->parent) {
        auto below = survey_.layers.find(*file.header->parent);
        if (below != survey_.layers.end() && path_.insert(id).second) {
          keep_in_graph(*file.header->parent, below->second, reason);
          path_.erase(id);
        }
        if (out_.graph.contains(*file.header->parent)) parent = file.header->parent;
      }
      if (out_.graph.contains(id)) return;  // a circle led here
      out_.graph.add(id, parent, reason);
    }
    out_.graph.refer(id);
  }

  void take_drafts() {
    if (!survey_.knows_all_manifests()) return;
    for (const auto& [id, file] : survey_.drafts) {
      if (!out_.drafts_to_finish.contains(id)) out_.drafts_to_remove.insert(id);
    }
  }

  void take_quarantined() {
    for (const auto& [id, file] : survey_.quarantined) {
      if (!out_.to_put_back.contains(id)) keep_in_graph(id, file, kInQuarantine);
    }
  }

  // What is active is written to, so that nothing may stand on it but an overlay that is to take its place. Whoever
  // does came later than the manifest.
  void refuse_older_manifests() {
    std::map<LayerId, VolumeId> written;
    for (const auto& [id, manifest] : out_.manifests) written[manifest.active] = id;
    for (const LayerId& layer : out_.graph.all()) {
      std::optional<LayerId> parent = out_.graph.parent(layer);
      auto found = parent ? written.find(*parent) : written.end();
      if (found == written.end() || out_.dropped.contains(layer)) continue;
      const VolumeId& volume = found->second;
      auto manifest = out_.manifests.find(volume);
      if (manifest == out_.manifests.end()) continue;
      if (manifest->second.intent && manifest->second.intent->overlay == layer) continue;
      out_.unreadable[volume] = "it is older than its layers: " + layer.str() + " stands on the active one";
      out_.manifests.erase(manifest);
    }
  }

  // Nor may it be what another volume or a snapshot reads; but for a volume that was just being given another id.
  void refuse_shared_layers() {
    std::map<LayerId, std::set<VolumeId>> readers;
    for (const auto& [id, manifest] : out_.manifests) {
      for (const LayerId& layer : manifest.referred()) readers[layer].insert(id);
    }
    std::map<VolumeId, std::string> refused;
    for (const auto& [id, manifest] : out_.manifests) {
      auto reads_active = [&](const auto& entry) { return entry.second.layer == manifest.active; };
      if (std::ranges::any_of(manifest.snapshots, reads_active)) refused[id] = "a snapshot of its own";
      for (const VolumeId& other : readers[manifest.active]) {
        bool is_the_same = other == id || manifest.taken_from == other || out_.manifests.at(other).taken_from == id;
        if (!is_the_same) refused[id] = "the volume " + other.str();
      }
    }
    for (const auto& [id, reader] : refused) {
      out_.unreadable[id] = "its active layer is also one of " + reader;
      out_.manifests.erase(id);
    }
  }

  const Survey& survey_;
  Assessment out_;
  std::set<LayerId> path_;      // whose parents are being added: to notice circles
  std::set<LayerId> referred_;  // by manifests
  std::set<LayerId> reachable_;
};

}  // namespace

Assessment assess(const Survey& survey) {
  return Assessor(survey).run();
}

}  // namespace varve::qcow2
