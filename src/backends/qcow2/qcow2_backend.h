// The backend that keeps bytes in a tree of qcow2 layers.
//
// Files under the store's directory: layers/<id>.qcow2, volumes/<volume>.json (manifest.h). An operation makes its
// files first and commits by replacing a manifest. What may be removed is what a manifest lists as dropped; what nobody
// can account for goes to quarantine/. Locks, in this order: the volume's (operations), then graph_mutex_ (memory only,
// never held during I/O).
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <set>

#include "backends/backend.h"
#include "backends/qcow2/assessment.h"
#include "backends/qcow2/images.h"
#include "backends/qcow2/layer_graph.h"
#include "backends/qcow2/manifest.h"
#include "backends/qcow2/shortcut.h"
#include "backends/qcow2/turns.h"
#include "base/clock.h"
#include "base/disk_probe.h"
#include "base/error.h"
#include "base/keyed_mutex.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "base/spares.h"
#include "qemu/storage_daemons.h"

namespace varve::qcow2 {

struct Config {
  std::filesystem::path directory;     // layers/ and volumes/ are made in it
  std::uint64_t min_free_bytes = 0;    // below that, nothing that needs room is begun
  std::int64_t max_chain_depth = 200;  // layers on top of each other
  std::int64_t long_chain = 3;         // longer ones are shortened (shortcut.h); 0: none is
  // Further pools: name and directory; layers/ is made in it.
  std::vector<std::pair<std::string, std::filesystem::path>> pools;
  Images::SecretOf secret_of;  // of the keys of encrypted volumes
};

class Qcow2Backend final : public backends::Backend {
 public:
  // Reads all manifests and layer headers. What is damaged concerns the volumes that need it, see damage().
  // spares: of the store's directory.
  Qcow2Backend(Config config, Spares& spares, qemu::StorageDaemons& daemons, Clock& clock, Rng& rng);
  ~Qcow2Backend() override;

  void create_volume(const VolumeId& volume, std::int64_t size_gib, const backends::Placement& placement) override;
  void clone_snapshot(const VolumeId& volume, std::int64_t size_gib, const VolumeId& source, const SnapshotId& snapshot,
                      const std::string& pool) override;
  void clone_volume(const VolumeId& volume, std::int64_t size_gib, const VolumeId& source,
                    const std::string& pool) override;
  void migrate(const VolumeId& volume, const std::string& pool) override;
  std::vector<backends::Found> found(const std::string& pool) override;
  void adopt_volume(const VolumeId& volume, const std::string& name) override;
  void rename_snapshot(const VolumeId& volume, const SnapshotId& from, const SnapshotId& to) override;
  void copy_volume(const VolumeId& volume, const std::filesystem::path& directory,
                   const std::function<void()>& between) override;
  void delete_volume(const VolumeId& volume, const std::set<SnapshotId>& snapshots) override;
  void extend_volume(const VolumeId& volume, std::int64_t size_gib) override;
  void make_way(const VolumeId& volume) override;
  int layers_awaited(const VolumeId& volume) const override;
  void create_snapshot(const VolumeId& volume, const SnapshotId& snapshot) override;
  void delete_snapshot(const VolumeId& volume, const SnapshotId& snapshot) override;
  void rollback(const VolumeId& volume, const SnapshotId& snapshot) override;
  backends::Device open(const model::Source& source, const model::QosLimits& qos) override;
  void close(const model::Source& source) override;
  void set_qos(const VolumeId& volume, const model::QosLimits& qos) override;
  void forget_key(const KeyId& key) override { images_.forget_key(key); }
  bool uses_key(const KeyId& key) override;
  bool has_volume(const VolumeId& volume) override;
  std::vector<VolumeId> volumes() override;
  std::optional<std::string> damage(const model::Source& source) override;
  void expect(std::set<VolumeId> lost) override;
  std::uint64_t damage_version() override { return damage_version_; }
  backends::Usage usage(const model::Source& source) override;
  std::vector<std::string> pools() const override;
  backends::Capacity capacity(const std::string& pool) override;
  model::Metadata capabilities(const std::string& pool) const override;
  int independence_percent(const VolumeId& volume) override;
  bool maintain() override;
  void interrupt_maintenance() override;
  void on_work(std::function<void()> callback) override;
  void on_lost(LostCallback callback) override;

 private:
  // While it lives nobody else works on the volume and no merge runs in its chain or its snapshots'.
  class Hold;
  // While it lives maintenance leaves the layer alone, though no manifest refers to it any more.
  class Pin;
  class Draft;
  class Kept;

  // Somebody outside of the operations uses a chain: an open volume, an exported snapshot.
  struct Opened {
    std::string daemon;
    LayerId top;
  };

  // Maintenance of a layer failed: when it may be tried again.
  struct Postponed {
    std::chrono::steady_clock::duration wait{};
    std::chrono::steady_clock::time_point until;
  };

  struct RunningMerge {
    Merge merge;
    std::string daemon;
    bool small = false;
    bool cancelled = false;
  };

  void quiet_adopted();
  void load();
  std::vector<Manifest> take_in(const Survey& found, Assessment told) VARVE_EXCLUDES(graph_mutex_);
  void report(const Survey& found, const Assessment& told);
  void tidy(const Survey& found, const Assessment& told);
  static std::vector<Pool> pools_of(const Config& config);
  void prepare_pools(const Survey& found);
  std::map<std::string, std::string> silent_pools();
  bool answers(const std::string& pool, std::chrono::milliseconds patience);
  // is_used: there may be something in it.
  void note_absent(const Pool& pool, bool is_used, std::string_view why) VARVE_EXCLUDES(graph_mutex_);
  bool is_absent(const std::string& pool) const VARVE_EXCLUDES(graph_mutex_);
  void require_mounted(const std::string& pool);
  void require_answering(const std::string& pool);
  void require_answering(const std::vector<LayerId>& chain);
  void note_if_silent(const Pool& pool);
  void require_present(const std::string& pool) const;
  void look_for_absent();
  std::set<std::string> unusable_pools();
  void note_damaged() VARVE_REQUIRES(graph_mutex_);
  bool look_again();
  bool is_active(const LayerId& layer) const VARVE_EXCLUDES(graph_mutex_);
  bool mend(const LayerId& layer, const std::set<std::string>& unusable);
  void note_dropped_by(const LayerId& layer) VARVE_REQUIRES(graph_mutex_);
  bool forget_overlay(const LayerId& layer, const std::set<std::string>& unusable) VARVE_EXCLUDES(graph_mutex_);
  void find_damage(const std::vector<LayerId>& chain, bool top_is_written) VARVE_EXCLUDES(graph_mutex_);
  void discover(const LayerId& top, const std::set<std::string>& unusable);
  bool is_of_no_use(const std::string& key) const;
  // True: it was changed, and is to be written down.
  bool repair_root(Manifest& manifest) const VARVE_REQUIRES(graph_mutex_);
  void resume_opened();
  bool may_serve(const std::string& key, const LayerId& top);

  std::optional<model::Source> source_of(const std::string& key) const VARVE_REQUIRES(graph_mutex_);
  std::optional<LayerId> top_of(const std::string& key) const VARVE_EXCLUDES(graph_mutex_);
  std::set<LayerId> layers_of(const Manifest& manifest) const VARVE_REQUIRES(graph_mutex_);
  std::filesystem::path manifest_file(const VolumeId& volume) const;
  std::filesystem::path tombstone_file(const VolumeId& volume) const;
  void forget_deleted(const VolumeId& volume);
  Manifest manifest(const VolumeId& volume) const VARVE_EXCLUDES(graph_mutex_);
  void require_not_lost(const VolumeId& volume) const VARVE_EXCLUDES(graph_mutex_);
  void commit(Manifest changed, Draft* draft = nullptr) VARVE_EXCLUDES(graph_mutex_);
  void write_down(const Manifest& changed) VARVE_EXCLUDES(graph_mutex_);
  void note_dropped(Manifest& changed) const;
  bool is_written(const Manifest& changed) const;
  void take_back(const VolumeId& volume, Draft* draft);
  void remember(Manifest changed);
  void restore_manifest(const VolumeId& volume) VARVE_EXCLUDES(graph_mutex_);
  void settle_doubts(const VolumeId& volume);
  void remove_drafts();
  std::map<VolumeId, LayerId> unfinished() const VARVE_EXCLUDES(graph_mutex_);
  void settle_unfinished();
  bool is_unreadable(const VolumeId& volume) const VARVE_EXCLUDES(graph_mutex_);
  bool stands_below(const LayerId& layer) const VARVE_EXCLUDES(graph_mutex_);
  bool is_known(const LayerId& layer) const VARVE_EXCLUDES(graph_mutex_);
  void require_sound(const std::string& whose, const LayerId& top) const VARVE_EXCLUDES(graph_mutex_);
  void require_space(const std::string& pool);
  void require_depth(const LayerId& top) const VARVE_EXCLUDES(graph_mutex_);
  std::shared_ptr<qemu::StorageDaemon> pool();
  std::shared_ptr<qemu::StorageDaemon> daemon_of(const std::string& opened) VARVE_EXCLUDES(graph_mutex_);

  LayerId freeze(const VolumeId& volume, const SnapshotId& snapshot, const std::string& pool);
  void freeze_open(const Manifest& present, const Intent& intent, qemu::QmpClient& qmp);
  void freeze_closed(const Manifest& present, const Intent& intent);
  void drop_intent_if_not_switched(const Manifest& before, qemu::QmpClient& qmp);
  static Manifest switched(Manifest manifest, const Intent& intent);
  void thaw(const Manifest& before, std::uintmax_t empty);
  LayerId new_layer(const std::string& pool);
  void forget_manifest(const VolumeId& volume);
  void adopt_file(const VolumeId& volume, const backends::Found& file);
  std::optional<backends::Found> found_file(const std::filesystem::path& path, const Pool& pool) const;
  KeyId key_of(const LayerId& layer) const VARVE_EXCLUDES(graph_mutex_);
  void finish_intent(const VolumeId& volume);
  bool has_intent(const VolumeId& volume) const VARVE_EXCLUDES(graph_mutex_);
  void resize_closed(const Manifest& manifest, std::int64_t size_gib);
  void attach_clone(const VolumeId& volume, std::int64_t size_gib, const LayerId& source, const KeyId& key,
                    const std::string& pool);
  // then: what else is done to the daemon. When anything fails, a daemon that had not been open before does not stay.
  void open_chain(const std::string& daemon_key, const LayerId& top, bool writable, const KeyId& key,
                  const std::function<void(qemu::QmpClient&)>& then = {});
  backends::Device open_volume(const model::Source& source, const model::QosLimits& qos);
  backends::Device open_snapshot(const model::Source& source);
  void close_chain(const std::string& key);
  void discard_chain(const std::string& key);
  void close_unused(const VolumeId& volume);
  std::vector<LayerId> chain_of(const LayerId& top) const VARVE_EXCLUDES(graph_mutex_);

  bool remove_one_layer();
  std::optional<LayerId> pick_removable();
  bool may_be_below_damage(const LayerId& layer) const VARVE_REQUIRES(graph_mutex_);
  void remove_layer(const LayerId& layer);
  std::optional<VolumeId> forget_dropped(const LayerId& layer) VARVE_REQUIRES(graph_mutex_);
  void remove_tombstone(const VolumeId& volume);
  void postpone(const LayerId& layer, const Error& fault) VARVE_EXCLUDES(graph_mutex_);
  bool was_cancelled(const LayerId& target) const VARVE_EXCLUDES(graph_mutex_);
  bool run_one_merge();
  std::vector<Merge> wanted_merges() const VARVE_REQUIRES(graph_mutex_);
  bool is_wanted(const Merge& merge) const VARVE_REQUIRES(graph_mutex_);
  Merge compacted(const Merge& merge) const VARVE_REQUIRES(graph_mutex_);
  bool conflicts(const LayerId& target) const VARVE_REQUIRES(graph_mutex_);
  bool is_merging(const VolumeId& volume) const VARVE_REQUIRES(graph_mutex_);
  std::set<LayerId> busy_layers() const VARVE_REQUIRES(graph_mutex_);
  std::uint64_t bytes_of(const Merge& merge) const VARVE_EXCLUDES(graph_mutex_);
  bool has_room_for(const Merge& merge, std::uint64_t bytes) const;
  std::optional<Merge> live_part(const Merge& merge) const VARVE_EXCLUDES(graph_mutex_);
  std::optional<Merge> runnable(const Merge& merge);
  std::size_t pending_layers(const VolumeId& volume) const VARVE_REQUIRES(graph_mutex_);
  std::optional<RunningMerge> pick_merge();
  std::optional<RunningMerge> pick_shortcut();
  std::optional<RunningMerge> try_to_begin(const Merge& wish);
  bool is_shortcut(const Merge& merge, const std::set<LayerId>& busy) const VARVE_REQUIRES(graph_mutex_);
  std::set<LayerId> roots() const VARVE_REQUIRES(graph_mutex_);
  std::optional<Merge> shortcut_of(const std::vector<ChainLayer>& chain) const;
  std::optional<VolumeId> next_deep();
  std::vector<ChainLayer> deep_chain(const VolumeId& volume) const;
  bool is_long(std::size_t layers) const;
  void note_depth(const VolumeId& volume) VARVE_REQUIRES(graph_mutex_);
  void forget_depth(const VolumeId& volume, std::size_t seen);
  bool begin(const Merge& merge, std::uint64_t bytes, bool may_be_live) VARVE_REQUIRES(graph_mutex_);
  void run_merge(const RunningMerge& running);
  void run_live_merge(const RunningMerge& running, const KeyId& key);
  void require_merged(const Merge& merge) const;
  void finish_merge(const Merge& merge);
  void keep_roots();
  void keep_root(const VolumeId& volume);
  void note_unkept_root(const VolumeId& volume) VARVE_EXCLUDES(graph_mutex_);
  void take_root(Manifest& changed) const VARVE_REQUIRES(graph_mutex_);
  std::vector<std::string> holders(const LayerId& layer) const VARVE_REQUIRES(graph_mutex_);
  void hold_layers(const std::set<LayerId>& layers) VARVE_REQUIRES(graph_mutex_);
  void let_go_of(const std::set<LayerId>& layers) VARVE_EXCLUDES(graph_mutex_);
  void stop_merges(const std::set<LayerId>& layers) VARVE_EXCLUDES(graph_mutex_);
  void notify_work() VARVE_EXCLUDES(graph_mutex_, callback_mutex_);
  // True: it was open.
  bool note_opened(const std::string& key, const LayerId& top) VARVE_EXCLUDES(graph_mutex_);
  void note_closed(const std::string& key) VARVE_EXCLUDES(graph_mutex_);
  void lost(const std::string& key);

  const Config config_;
  Spares& spares_;
  qemu::StorageDaemons& daemons_;
  Clock& clock_;
  Rng& rng_;
  Images images_;
  mutable KeyedMutex volume_locks_;

  Mutex disks_mutex_;  // held for no longer than one is waited for
  // Of the pools beside the store's own.
  std::map<std::string, DiskProbe> disks_ VARVE_GUARDED_BY(disks_mutex_);

  mutable Mutex graph_mutex_;
  Condition merge_ended_;
  LayerGraph graph_ VARVE_GUARDED_BY(graph_mutex_);
  std::map<VolumeId, Manifest> manifests_ VARVE_GUARDED_BY(graph_mutex_);
  // Tombstones, and which of their layers are still there.
  std::map<VolumeId, std::set<LayerId>> deleted_ VARVE_GUARDED_BY(graph_mutex_);
  // Volumes whose manifest cannot be read, and why.
  std::map<VolumeId, std::string> unreadable_ VARVE_GUARDED_BY(graph_mutex_);
  // Volumes that somebody knows of, but have no manifest.
  std::set<VolumeId> lost_ VARVE_GUARDED_BY(graph_mutex_);
  // Volumes with an intent, and its overlay.
  std::map<VolumeId, LayerId> unfinished_ VARVE_GUARDED_BY(graph_mutex_);
  // Volumes that still share layers with their source: have a root.
  std::set<VolumeId> dependents_ VARVE_GUARDED_BY(graph_mutex_);
  // Volumes whose manifest may not be the one in memory.
  std::set<VolumeId> doubtful_ VARVE_GUARDED_BY(graph_mutex_);
  // Volumes whose chain is long, and was not looked at since it changed.
  Turns<VolumeId> deep_ VARVE_GUARDED_BY(graph_mutex_){std::chrono::seconds(3)};
  // Volumes that need a damaged layer.
  std::set<VolumeId> damaged_ VARVE_GUARDED_BY(graph_mutex_);
  // Layers that may go, and whose they were.
  std::map<LayerId, VolumeId> dropped_ VARVE_GUARDED_BY(graph_mutex_);
  std::map<LayerId, Postponed> postponed_ VARVE_GUARDED_BY(graph_mutex_);
  // Layers that may go, and cannot be merged before somebody closes a chain.
  std::set<LayerId> blocked_ VARVE_GUARDED_BY(graph_mutex_);
  // Volumes for whose merges somebody waits in make_way().
  std::multiset<VolumeId> awaited_ VARVE_GUARDED_BY(graph_mutex_);
  // By the daemon's key; of a source its name.
  std::map<std::string, Opened> opened_ VARVE_GUARDED_BY(graph_mutex_);
  // Chains in which no merge may start now.
  std::multiset<LayerId> held_ VARVE_GUARDED_BY(graph_mutex_);
  // By target.
  std::map<LayerId, RunningMerge> running_ VARVE_GUARDED_BY(graph_mutex_);
  LayerId last_begun_ VARVE_GUARDED_BY(graph_mutex_);
  // Those that no manifest names.
  std::vector<std::filesystem::path> drafts_ VARVE_GUARDED_BY(graph_mutex_);
  // Changed by a merge, not written down yet.
  std::set<VolumeId> unkept_roots_ VARVE_GUARDED_BY(graph_mutex_);
  std::set<LayerId> removing_ VARVE_GUARDED_BY(graph_mutex_);
  // Pools that cannot be used, and whether there is anything in them.
  std::map<std::string, bool> absent_ VARVE_GUARDED_BY(graph_mutex_);
  // At the start not every directory could be read: files that are not known of may be those of dropped layers.
  bool incomplete_ VARVE_GUARDED_BY(graph_mutex_) = false;
  bool interrupted_ VARVE_GUARDED_BY(graph_mutex_) = false;
  // At what is damaged.
  std::chrono::steady_clock::time_point next_look_ VARVE_GUARDED_BY(graph_mutex_);
  std::atomic<std::uint64_t> damage_version_{1};

  Mutex callback_mutex_;
  std::function<void()> on_work_ VARVE_GUARDED_BY(callback_mutex_);
  LostCallback on_lost_ VARVE_GUARDED_BY(callback_mutex_);
};

}  // namespace varve::qcow2
