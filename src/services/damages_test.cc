// Damage of bytes and the statuses of rows, over a real database.
#include "services/damages.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <optional>

#include "backends/fake/fake_backend.h"
#include "base/rng.h"

namespace varve::services {
namespace {

using model::SnapshotStatus;
using model::VolumeStatus;

class DamagesTest : public testing::Test {
 protected:
  DamagesTest() {
    char pattern[] = "/tmp/varve-damages-XXXXXX";
    directory_ = mkdtemp(pattern);
    db_ = store::open_sqlite(directory_ / "varve.db", 1000);
    messages_.emplace(*db_, clock_, rng_, settings_);
    damages_.emplace(*db_, backend_, *messages_, clock_);
    db_->write_blocking([&](store::Transaction& tx) {
      model::VolumeType type;
      type.id = VolumeTypeId("t");
      type.name = "t";
      tx.volume_types().insert(type);
      model::Volume volume;
      volume.id = v_;
      volume.volume_type_id = type.id;
      volume.status = VolumeStatus::Available;
      tx.volumes().insert(volume);
      model::Snapshot snapshot;
      snapshot.id = s_;
      snapshot.volume_id = v_;
      snapshot.status = SnapshotStatus::Available;
      tx.snapshots().insert(snapshot);
    });
    backend_.create_volume(v_, 1, {});
  }
  ~DamagesTest() override {
    damages_.reset();
    messages_.reset();
    db_.reset();
    std::filesystem::remove_all(directory_);
  }

  void set(VolumeStatus status) {
    db_->write_blocking([&](store::Transaction& tx) {
      model::Volume volume = tx.volumes().get(std::nullopt, v_);
      volume.status = status;
      tx.volumes().update(volume);
    });
  }
  void set(SnapshotStatus status) {
    db_->write_blocking([&](store::Transaction& tx) {
      model::Snapshot snapshot = tx.snapshots().get(std::nullopt, s_);
      snapshot.status = status;
      tx.snapshots().update(snapshot);
    });
  }
  VolumeStatus volume() {
    return db_->read_blocking([&](store::Transaction& tx) { return tx.volumes().get(std::nullopt, v_).status; });
  }
  SnapshotStatus snapshot() {
    return db_->read_blocking([&](store::Transaction& tx) { return tx.snapshots().get(std::nullopt, s_).status; });
  }

  const VolumeId v_{"v"};
  const SnapshotId s_{"s"};
  std::filesystem::path directory_;
  ManualClock clock_{Timestamp(std::chrono::hours(24 * 365 * 50))};
  SystemRng rng_;
  Settings settings_;
  std::unique_ptr<store::Database> db_;
  fake::FakeBackend backend_;
  std::optional<Messages> messages_;
  std::optional<Damages> damages_;
};

TEST_F(DamagesTest, ComeAndGo) {
  backend_.set_damage({v_}, "a page is gone");
  damages_->follow();
  EXPECT_EQ(volume(), VolumeStatus::Error);
  EXPECT_EQ(snapshot(), SnapshotStatus::Available);
  backend_.set_damage({v_}, "");
  damages_->follow();
  EXPECT_EQ(volume(), VolumeStatus::Available);
}

// Else it would be told only when the backend finds something new.
TEST_F(DamagesTest, AreToldWhenTheTaskHasEnded) {
  set(VolumeStatus::BackingUp);
  set(SnapshotStatus::BackingUp);
  backend_.set_damage({v_}, "a page is gone");
  backend_.set_damage({v_, s_}, "a page is gone");
  damages_->follow();
  damages_->follow();
  EXPECT_EQ(volume(), VolumeStatus::BackingUp);
  set(VolumeStatus::Available);
  damages_->follow();
  EXPECT_EQ(volume(), VolumeStatus::Error);
  EXPECT_EQ(snapshot(), SnapshotStatus::BackingUp);
  set(SnapshotStatus::Available);
  damages_->follow();
  EXPECT_EQ(snapshot(), SnapshotStatus::Error);
}

// What was mended meanwhile is none.
TEST_F(DamagesTest, MendedBeforeTheTaskEndsIsNotTold) {
  set(VolumeStatus::BackingUp);
  backend_.set_damage({v_}, "a page is gone");
  damages_->follow();
  backend_.set_damage({v_}, "");
  set(VolumeStatus::Available);
  damages_->follow();
  EXPECT_EQ(volume(), VolumeStatus::Available);
}

}  // namespace
}  // namespace varve::services
