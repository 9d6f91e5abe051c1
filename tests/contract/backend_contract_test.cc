// What backends/backend.h promises, for every backend. Bytes are checked where the backend keeps any, with qemu-io.

#include <gtest/gtest.h>

#include "backends/fake/fake_backend.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "qcow2_rig.h"

namespace varve {
namespace {

class FakeRig final : public Rig {
 public:
  backends::Backend& backend() override { return backend_; }
  void restart() override {}
  bool io(const VolumeId&, const std::string&) override { return true; }
  void settle() override {}
  std::size_t layers() override { return 0; }

 private:
  fake::FakeBackend backend_;
};

class BackendContract : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (GetParam() == "fake") {
      rig_ = std::make_unique<FakeRig>();
    } else {
      rig_ = std::make_unique<Qcow2Rig>();
    }
  }
  backends::Backend& backend() { return rig_->backend(); }
  bool write(const VolumeId& volume, int pattern, const std::string& range = "0 1M") {
    return rig_->io(volume, "write -P " + std::to_string(pattern) + " " + range);
  }
  bool holds(const VolumeId& volume, int pattern, const std::string& range = "0 1M") {
    return rig_->io(volume, "read -P " + std::to_string(pattern) + " " + range);
  }
  bool keeps_bytes() const { return GetParam() != "fake"; }

  std::unique_ptr<Rig> rig_;
  VolumeId v_{"11111111-1111-4111-8111-111111111111"};
  VolumeId w_{"22222222-2222-4222-8222-222222222222"};
  SnapshotId s_{"33333333-3333-4333-8333-333333333333"};
  SnapshotId t_{"44444444-4444-4444-8444-444444444444"};
};

INSTANTIATE_TEST_SUITE_P(All, BackendContract, testing::Values("fake", "qcow2"),
                         [](const auto& info) { return info.param; });

TEST_P(BackendContract, ANewVolumeIsZeros) {
  backend().create_volume(v_, 1, {});
  EXPECT_TRUE(backend().has_volume(v_));
  EXPECT_TRUE(holds(v_, 0));
}

TEST_P(BackendContract, EveryCallMayBeRepeated) {
  for (int i = 0; i < 2; ++i) backend().create_volume(v_, 1, {});
  for (int i = 0; i < 2; ++i) backend().create_snapshot(v_, s_);
  for (int i = 0; i < 2; ++i) backend().clone_snapshot(w_, 1, v_, s_, "");
  for (int i = 0; i < 2; ++i) backend().extend_volume(v_, 2);
  for (int i = 0; i < 2; ++i) backend().rollback(v_, s_);
  for (int i = 0; i < 2; ++i) backend().open({v_}, {});
  for (int i = 0; i < 2; ++i) backend().close({v_});
  for (int i = 0; i < 2; ++i) backend().delete_snapshot(v_, s_);
  for (int i = 0; i < 2; ++i) backend().delete_volume(v_, {});
  EXPECT_FALSE(backend().has_volume(v_));
}

TEST_P(BackendContract, ASnapshotKeepsItsBytes) {
  backend().create_volume(v_, 1, {});
  EXPECT_TRUE(write(v_, 1));
  backend().create_snapshot(v_, s_);
  EXPECT_TRUE(write(v_, 2));
  EXPECT_TRUE(holds(v_, 2));
  backend().rollback(v_, s_);
  EXPECT_TRUE(holds(v_, 1));
}

TEST_P(BackendContract, SnapshotsThatAreNotNamedKeepTheirVolume) {
  backend().create_volume(v_, 1, {});
  EXPECT_TRUE(write(v_, 1));
  backend().create_snapshot(v_, s_);
  backend().create_snapshot(v_, t_);
  EXPECT_THROW(backend().delete_volume(v_, {s_}), Error);
  backend().rollback(v_, t_);
  EXPECT_TRUE(holds(v_, 1));
  backend().delete_volume(v_, {s_, t_});
  EXPECT_FALSE(backend().has_volume(v_));
}

TEST_P(BackendContract, RollbackKeepsNewerSnapshots) {
  backend().create_volume(v_, 1, {});
  EXPECT_TRUE(write(v_, 1));
  backend().create_snapshot(v_, s_);
  EXPECT_TRUE(write(v_, 2));
  backend().create_snapshot(v_, t_);
  backend().rollback(v_, s_);
  EXPECT_TRUE(holds(v_, 1));
  backend().rollback(v_, t_);
  EXPECT_TRUE(holds(v_, 2));
  rig_->settle();
  backend().rollback(v_, s_);
  EXPECT_TRUE(holds(v_, 1));
}

TEST_P(BackendContract, SnapshotsGoInAnyOrder) {
  backend().create_volume(v_, 1, {});
  EXPECT_TRUE(write(v_, 1, "0 64k"));
  backend().create_snapshot(v_, s_);
  EXPECT_TRUE(write(v_, 2, "64k 64k"));
  backend().create_snapshot(v_, t_);
  EXPECT_TRUE(write(v_, 3, "128k 64k"));
  backend().delete_snapshot(v_, s_);
  rig_->settle();
  backend().rollback(v_, t_);
  EXPECT_TRUE(holds(v_, 1, "0 64k"));
  EXPECT_TRUE(holds(v_, 2, "64k 64k"));
  EXPECT_TRUE(holds(v_, 0, "128k 64k"));
  backend().delete_snapshot(v_, t_);
  rig_->settle();
  EXPECT_TRUE(holds(v_, 2, "64k 64k"));
  if (keeps_bytes()) EXPECT_EQ(rig_->layers(), 1U);
}

TEST_P(BackendContract, ACloneIsIndependentOfItsSource) {
  backend().create_volume(v_, 1, {});
  EXPECT_TRUE(write(v_, 1));
  backend().create_snapshot(v_, s_);
  backend().clone_snapshot(w_, 2, v_, s_, "");
  EXPECT_TRUE(holds(w_, 1));
  EXPECT_TRUE(write(w_, 9));
  backend().rollback(v_, s_);
  EXPECT_TRUE(holds(v_, 1));
  backend().delete_volume(v_, {s_});
  rig_->settle();
  EXPECT_TRUE(holds(w_, 9));
  EXPECT_EQ(backend().independence_percent(w_), 100);
  if (keeps_bytes()) EXPECT_EQ(rig_->layers(), 1U);
}

TEST_P(BackendContract, AVolumeCanBeClonedWhileOpen) {
  backend().create_volume(v_, 1, {});
  EXPECT_TRUE(write(v_, 5));
  backend().open({v_}, {});
  backend().clone_volume(w_, 1, v_, "");
  backend().close({v_});
  EXPECT_TRUE(holds(w_, 5));
  EXPECT_TRUE(write(v_, 6));
  rig_->settle();
  EXPECT_TRUE(holds(w_, 5));
  EXPECT_TRUE(holds(v_, 6));
  if (keeps_bytes()) EXPECT_EQ(rig_->layers(), 2U);
}

TEST_P(BackendContract, AnOpenVolumeIsSnapshottedAndMergedLive) {
  backend().create_volume(v_, 1, {});
  EXPECT_TRUE(write(v_, 1));
  backend().open({v_}, {});
  backend().create_snapshot(v_, s_);
  backend().create_snapshot(v_, t_);
  backend().delete_snapshot(v_, s_);
  backend().delete_snapshot(v_, t_);
  rig_->settle();
  if (keeps_bytes()) EXPECT_EQ(rig_->layers(), 1U);
  backend().close({v_});
  EXPECT_TRUE(holds(v_, 1));
}

TEST_P(BackendContract, ARestartFindsEverything) {
  backend().create_volume(v_, 1, {});
  EXPECT_TRUE(write(v_, 1));
  backend().create_snapshot(v_, s_);
  EXPECT_TRUE(write(v_, 2));
  backend().open({v_}, {});
  rig_->restart();
  EXPECT_TRUE(backend().has_volume(v_));
  backend().create_snapshot(v_, t_);
  backend().close({v_});
  EXPECT_TRUE(holds(v_, 2));
  backend().rollback(v_, s_);
  EXPECT_TRUE(holds(v_, 1));
}

TEST_P(BackendContract, AnExtendedVolumeKeepsItsBytesAndReadsZerosBehind) {
  backend().create_volume(v_, 1, {});
  EXPECT_TRUE(write(v_, 7));
  backend().create_snapshot(v_, s_);
  backend().extend_volume(v_, 2);
  EXPECT_TRUE(holds(v_, 7));
  EXPECT_TRUE(holds(v_, 0, "1536M 1M"));
  backend().rollback(v_, s_);
  EXPECT_TRUE(write(v_, 8, "1536M 1M"));
}

TEST_P(BackendContract, ASmallerCloneThatGrowsReadsZerosWhereItWasCutOff) {
  backend().create_volume(v_, 2, {});
  EXPECT_TRUE(write(v_, 7, "1536M 1M"));
  backend().create_snapshot(v_, s_);
  backend().clone_snapshot(w_, 1, v_, s_, "");
  backend().extend_volume(w_, 2);
  EXPECT_TRUE(holds(w_, 0, "1536M 1M"));
}

TEST_P(BackendContract, WhatIsNotThereIsRefused) {
  EXPECT_THROW(backend().create_snapshot(v_, s_), Error);
  EXPECT_THROW(backend().open({v_}, {}), Error);
  backend().create_volume(v_, 1, {});
  EXPECT_THROW(backend().rollback(v_, s_), Error);
  EXPECT_THROW(backend().clone_snapshot(w_, 1, v_, s_, ""), Error);
  EXPECT_FALSE(backend().has_volume(w_));
}

// QEMU 7.2 would answer a reader with stale memory meanwhile (backends/qcow2/maintenance.cc).
TEST(Qcow2Backend, AVolumeThatHasGrownIsMergedOnlyWhenItIsClosed) {
  Qcow2Rig rig;
  VolumeId volume("11111111-1111-4111-8111-111111111111");
  SnapshotId snapshot("33333333-3333-4333-8333-333333333333");
  rig.backend().create_volume(volume, 1, {});
  EXPECT_TRUE(rig.io(volume, "write -P 4 0 1M"));
  rig.backend().open({volume}, {});
  rig.backend().create_snapshot(volume, snapshot);
  rig.backend().extend_volume(volume, 2);
  rig.backend().delete_snapshot(volume, snapshot);
  rig.settle();
  EXPECT_EQ(rig.layers(), 2U);
  rig.backend().close({volume});
  rig.settle();
  EXPECT_EQ(rig.layers(), 1U);
  EXPECT_TRUE(rig.io(volume, "read -P 4 0 1M"));
  EXPECT_TRUE(rig.io(volume, "read -P 0 1G 1M"));
}

// The switch to the overlay succeeded, but its manifest could not be written (a full disk): the bytes that the guest
// wrote since then are in the overlay.
TEST(Qcow2Backend, WritesAfterAHalfDoneSnapshotAreKept) {
  Qcow2Rig rig;
  VolumeId volume("11111111-1111-4111-8111-111111111111");
  rig.backend().create_volume(volume, 1, {});
  rig.backend().open({volume}, {});
  failpoint::arm("snapshot.create.after_switch", "error");
  EXPECT_THROW(rig.backend().create_snapshot(volume, SnapshotId("33333333-3333-4333-8333-333333333333")), Error);
  EXPECT_TRUE(rig.io(volume, "write -P 4 0 1M"));
  EXPECT_TRUE(rig.io(volume, "read -P 4 0 1M"));
  rig.restart();
  EXPECT_TRUE(rig.io(volume, "read -P 4 0 1M"));
}

}  // namespace
}  // namespace varve
