// A backend in memory, for tests of the layers above: it keeps the contract's promises about what exists, but no bytes.
// A test may watch its calls and make them fail. What it has outlives the process that is played on top of it.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "backends/backend.h"
#include "base/error.h"
#include "base/mutex.h"

namespace varve::fake {

// How a call fails. done: its work is done, and only its answer says that it is not.
struct Failure {
  ErrorCode code = ErrorCode::BackendFailed;
  bool done = false;
};

struct Kept {
  std::int64_t size_gib = 0;
  std::set<SnapshotId> snapshots;
  bool open = false;
  std::set<SnapshotId> open_snapshots;
};

class FakeBackend final : public backends::Backend {
 public:
  // Asked before each call that changes something, which fails as it says; what it throws the call throws.
  using Watch = std::function<std::optional<Failure>(std::string_view call, const VolumeId& volume)>;
  void watch(Watch watch);

  std::map<VolumeId, Kept> contents() const;

  // "": it is well (again).
  void set_damage(const model::Source& source, const std::string& reason);

  // The storage daemon of an open source dies. Nothing happens if there is none.
  void lose(const model::Source& source);

  void create_volume(const VolumeId& volume, std::int64_t size_gib, const backends::Placement&) override;
  void clone_snapshot(const VolumeId& volume, std::int64_t size_gib, const VolumeId& source, const SnapshotId& snapshot,
                      const std::string& pool) override;
  void clone_volume(const VolumeId& volume, std::int64_t size_gib, const VolumeId& source,
                    const std::string& pool) override;
  void migrate(const VolumeId& volume, const std::string& pool) override;
  std::vector<backends::Found> found(const std::string&) override { return {}; }
  void adopt_volume(const VolumeId& volume, const std::string& name) override;
  void rename_snapshot(const VolumeId& volume, const SnapshotId& from, const SnapshotId& to) override;
  void copy_volume(const VolumeId&, const std::filesystem::path&, const std::function<void()>&) override {}
  void delete_volume(const VolumeId& volume, const std::set<SnapshotId>& snapshots) override;
  void extend_volume(const VolumeId& volume, std::int64_t size_gib) override;
  void make_way(const VolumeId& volume) override;
  int layers_awaited(const VolumeId&) const override { return 0; }
  void create_snapshot(const VolumeId& volume, const SnapshotId& snapshot) override;
  void delete_snapshot(const VolumeId& volume, const SnapshotId& snapshot) override;
  void rollback(const VolumeId& volume, const SnapshotId& snapshot) override;
  backends::Device open(const model::Source& source, const model::QosLimits& qos) override;
  void close(const model::Source& source) override;
  void set_qos(const VolumeId& volume, const model::QosLimits& qos) override;
  void forget_key(const KeyId&) override {}
  bool uses_key(const KeyId&) override { return false; }  // nothing is encrypted
  bool has_volume(const VolumeId& volume) override;
  std::vector<VolumeId> volumes() override;
  void expect(std::set<VolumeId>) override {}
  std::optional<std::string> damage(const model::Source& source) override;
  std::uint64_t damage_version() override;
  backends::Usage usage(const model::Source&) override { return {}; }
  std::vector<std::string> pools() const override { return {"default"}; }
  backends::Capacity capacity(const std::string&) override { return {1ULL << 40, 1ULL << 40}; }
  model::Metadata capabilities(const std::string&) const override { return {{"volume_backend_name", "fake"}}; }
  int independence_percent(const VolumeId&) override { return 100; }
  bool maintain() override { return false; }
  void interrupt_maintenance() override {}
  void on_work(std::function<void()>) override {}
  void on_lost(LostCallback callback) override;

 private:
  bool shut(const model::Source& source) VARVE_REQUIRES(mutex_);
  void perform(std::string_view call, const VolumeId& volume, const std::function<void()>& work);
  Kept& kept(const VolumeId& volume) VARVE_REQUIRES(mutex_);
  void require_snapshot(const VolumeId& volume, const SnapshotId& snapshot) VARVE_REQUIRES(mutex_);

  mutable Mutex mutex_;
  Watch watch_ VARVE_GUARDED_BY(mutex_);
  LostCallback on_lost_ VARVE_GUARDED_BY(mutex_);
  std::map<VolumeId, Kept> volumes_ VARVE_GUARDED_BY(mutex_);
  std::map<model::Source, std::string> damages_ VARVE_GUARDED_BY(mutex_);
  std::uint64_t damage_version_ VARVE_GUARDED_BY(mutex_) = 1;
};

}  // namespace varve::fake
