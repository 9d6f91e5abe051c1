// The start of the backend: what the files and the storage daemons that outlived the last varved tell about layers,
// volumes and snapshots. Runs in the constructor, before anybody else works. A fault of one file is noted as that of
// the volumes and snapshots that need it; the start goes on.

#include <algorithm>
#include <functional>

#include "backends/qcow2/assessment.h"
#include "backends/qcow2/daemon_keys.h"
#include "backends/qcow2/qcow2_backend.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/quarantine.h"

namespace varve::qcow2 {

namespace {

// One step of the start that concerns one thing: when it fails the others are done all the same.
void attempt(std::string_view what, std::string_view id, const std::function<void()>& step) {
  try {
    step();
  } catch (const Error& fault) {
    log::error("a step of the start failed and will be tried again",
               {{"step", what}, {"of", id}, {"error", fault.message()}});
  }
}

}  // namespace

// A merge that the last varved began may still run in a storage daemon that outlived it, and change the very headers
// that are about to be read. It is cancelled; maintenance begins it anew. In a daemon that does not answer now it is
// cancelled before anything else: what is read here then shows the layers that it has swallowed as still needed, and a
// merge that is begun anew finds that they are not.
void Qcow2Backend::quiet_adopted() {
  daemons_.adopt_all();
}

void Qcow2Backend::load() {
  std::vector<PoolDirectories> directories(images_.pools().begin(), images_.pools().end());
  Survey found = survey(config_.directory, directories, silent_pools());
  prepare_pools(found);
  Assessment told = assess(found);
  for (const auto* files : {&found.quarantined, &found.drafts, &found.layers}) {
    for (const auto& [layer, file] : *files) images_.place(layer, file.pool);
  }
  report(found, told);
  tidy(found, told);
  for (const Manifest& repaired : take_in(found, std::move(told))) {
    attempt("repair a manifest", repaired.volume.str(), [&] { write_down(repaired); });
  }
}

// Returns the manifests of which the files say something else.
std::vector<Manifest> Qcow2Backend::take_in(const Survey& found, Assessment told) {
  MutexLock graph(graph_mutex_);
  incomplete_ = !found.unlisted.empty();
  for (const LayerId& layer : told.drafts_to_remove) drafts_.push_back(found.drafts.at(layer).path);
  graph_ = std::move(told.graph);
  manifests_ = std::move(told.manifests);
  deleted_ = std::move(told.deleted);
  unreadable_ = std::move(told.unreadable);
  dropped_ = std::move(told.dropped);
  note_damaged();
  std::vector<Manifest> repaired;
  for (auto& [id, manifest] : manifests_) {
    if (manifest.intent) unfinished_[id] = manifest.intent->overlay;
    bool is_larger = manifest.size_gib != found.manifests.at(id).manifest->size_gib;
    if (is_larger)
      log::warning("a volume is larger than its manifest says", {{"volume", id}, {"gib", manifest.size_gib}});
    if (repair_root(manifest) || is_larger) repaired.push_back(manifest);
    if (!manifest.root.empty()) dependents_.insert(id);
    note_depth(id);
  }
  return repaired;
}

void Qcow2Backend::report(const Survey& found, const Assessment& told) {
  for (const std::string& directory : found.unlisted)
    log::error("a directory cannot be read", {{"directory", directory}});
  for (const auto& twin : found.twins) log::error("a second file of a layer", {{"file", twin.string()}});
  for (const auto& stray : found.strays) log::warning("a file that is none of the store's", {{"file", stray.string()}});
  for (const auto& [volume, why] : told.unreadable) {
    log::error("a volume is damaged: its manifest cannot be read", {{"volume", volume}, {"reason", why}});
  }
  for (const auto& [volume, manifest] : told.manifests) {
    for (const LayerId& top : manifest.tops()) {
      if (!told.graph.contains(top)) continue;
      if (auto fault = told.graph.damage(top)) {
        log::error("a volume is damaged", {{"volume", volume}, {"layer", fault->layer}, {"reason", fault->reason}});
      }
    }
  }
  for (const auto& [layer, why] : told.unaccounted) {
    log::warning("a layer cannot be accounted for; it is left alone", {{"layer", layer}, {"reason", why}});
  }
}

// What the assessment found to be done to the files.
void Qcow2Backend::tidy(const Survey& found, const Assessment& told) {
  for (const LayerId& layer : told.drafts_to_finish) {
    attempt("finish a layer", layer.str(), [&] {
      images_.settle(layer);
      images_.sync_name(layer);
    });
  }
  for (const LayerId& layer : told.to_put_back) {
    attempt("put a layer back", layer.str(), [&] { put_back(found.quarantined.at(layer).path, images_.file(layer)); });
  }
  for (const auto& file : found.half_written) {
    attempt("remove a half-written manifest", file.string(), [&] { files::remove_durably(file); });
  }
  for (const auto& [layer, why] : told.to_set_aside) {
    attempt("set a layer aside", layer.str(),
            [&] { set_aside(found.layers.at(layer).path, images_.pool_of(layer).quarantine(), why); });
  }
  for (const auto& [volume, remaining] : told.deleted) {
    if (!remaining.empty() || !found.unlisted.empty()) continue;
    attempt("remove a tombstone", volume.str(), [&] { files::remove_durably(tombstone_file(volume)); });
  }
}

// A crash between a merge and its manifest leaves a root that the chain has no more: it is then the layer above the
// first one that another volume uses too, or none.
bool Qcow2Backend::repair_root(Manifest& manifest) const {
  if (graph_.damage(manifest.active)) return false;
  std::vector<LayerId> chain = graph_.chain(manifest.active);
  if (manifest.root.empty() || std::find(chain.begin(), chain.end(), manifest.root) != chain.end()) return false;
  std::set<LayerId> foreign;
  for (const auto& [id, other] : manifests_) {
    if (id == manifest.volume) continue;
    for (const LayerId& top : other.referred()) {
      for (const LayerId& layer : graph_.chain(top)) foreign.insert(layer);
    }
  }
  manifest.root = LayerId();
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (!foreign.contains(chain[i])) continue;
    manifest.root = chain[i - 1];
    break;
  }
  return true;
}

// Volumes whose storage daemons outlived the last varved; then every unfinished switch is finished.
void Qcow2Backend::resume_opened() {
  for (const std::string& key : daemons_.keys()) {
    if (key == kPool || !daemons_.find(key)) continue;
    std::optional<LayerId> top = top_of(key);
    if (top && may_serve(key, *top)) {
      note_opened(key, *top);
    } else if (top || is_of_no_use(key)) {
      daemons_.discard(key);
    } else {
      log::error("a storage daemon serves what no manifest names; it is left alone", {{"daemon", key}});
    }
  }
  // One whose storage daemon does not answer is finished by the volume's next operation that reaches it.
  for (const auto& [volume, overlay] : unfinished()) {
    attempt("finish a switch", volume.str(), [&] { finish_intent(volume); });
  }
}

// false: the last varved was cut off before it had the layer open there, so that nobody is served. A daemon that does
// not answer may well serve somebody.
bool Qcow2Backend::may_serve(const std::string& key, const LayerId& top) {
  try {
    qemu::QmpClient& qmp = daemons_.find(key)->qmp();
    if (!qmp.ready_by(steady_now())) return true;  // and was waited for already
    return images_.is_open(qmp, top) || !qmp.execute("query-block-exports").as_array().empty();
  } catch (const Error& fault) {
    log::warning("a storage daemon does not tell what it has open", {{"daemon", key}, {"error", fault.message()}});
    return true;
  }
}

// A daemon that the last varved ran for itself, or one whose volume was deleted.
bool Qcow2Backend::is_of_no_use(const std::string& key) const {
  MutexLock graph(graph_mutex_);
  return key.starts_with(kResizeKey) || key.starts_with(kMergeKey) || deleted_.contains(VolumeId(key));
}

// What a daemon of this key serves; nullopt: no manifest tells.
std::optional<model::Source> Qcow2Backend::source_of(const std::string& key) const {
  if (manifests_.contains(VolumeId(key))) return model::Source{VolumeId(key)};
  if (!key.starts_with(model::kSnapshotPrefix)) return std::nullopt;
  SnapshotId snapshot(key.substr(model::kSnapshotPrefix.size()));
  for (const auto& [id, manifest] : manifests_) {
    if (manifest.snapshots.contains(snapshot)) return model::Source{id, snapshot};
  }
  return std::nullopt;
}

// The layer that it has open.
std::optional<LayerId> Qcow2Backend::top_of(const std::string& key) const {
  MutexLock graph(graph_mutex_);
  std::optional<model::Source> source = source_of(key);
  if (!source) return std::nullopt;
  const Manifest& manifest = manifests_.at(source->volume);
  return source->snapshot ? manifest.snapshots.at(*source->snapshot).layer : manifest.active;
}

}  // namespace varve::qcow2
