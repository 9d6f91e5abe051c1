// Calls that meet each other, and what is left when the storage or the disk fails in between: cases that the simulator
// (tests/sim) has found.

#include "base/fault.h"
#include "rig.h"

namespace varve::services {
namespace {

using model::AttachmentStatus;
using model::SnapshotStatus;
using model::VolumeStatus;

const std::string kConnector = R"({"host":"h1"})";

class UseCasesTest : public sim::Rig {
 protected:
  GroupId group(const model::Actor& actor, const std::vector<VolumeId>& volumes) {
    GroupSpec spec;
    spec.group_type = "default_cgsnapshot_type";
    spec.volume_types = {"SAS"};
    GroupId id = call(service().groups.create(actor, spec)).id;
    GroupChange change;
    for (const VolumeId& volume : volumes) change.add_volumes.push_back(volume.str());
    call(service().groups.update(actor, id, change));
    return id;
  }

  GroupSnapshotId group_snapshot(const GroupId& group) {
    GroupSnapshotSpec spec;
    spec.group_id = group;
    return call(service().groups.create_snapshot(actor_, spec)).id;
  }

  AttachmentSpec of(const VolumeId& volume, bool connected) {
    AttachmentSpec spec;
    spec.volume_id = volume;
    spec.host_name = "h1";
    if (connected) spec.connector = kConnector;
    return spec;
  }
};

TEST_F(UseCasesTest, AGroupSnapshotStaysWhileItsVolumeIsRolledBackToIt) {
  VolumeId volume = this->volume(actor_);
  GroupSnapshotId snapshots = group_snapshot(group(actor_, {volume}));
  begin(service().volumes.rollback(actor_, volume, view().snapshots.front().id));
  EXPECT_EQ(code_of(service().groups.remove_snapshot(actor_, snapshots)), ErrorCode::InvalidState);
  work();
  EXPECT_EQ(view().snapshots.front().status, SnapshotStatus::Available);
}

// The end of the volume's deletion takes the snapshot's row; that of the snapshot finds none.
TEST_F(UseCasesTest, AGroupSnapshotEndsWithTheVolumeThatHadItsLastSnapshot) {
  VolumeId volume = this->volume(actor_);
  GroupSnapshotId snapshots = group_snapshot(group(actor_, {volume}));
  begin(service().volumes.remove(actor_, volume, true, false));
  begin(service().groups.remove_snapshot(actor_, snapshots));
  work();
  EXPECT_TRUE(view().group_snapshots.empty());
}

TEST_F(UseCasesTest, AVolumeDoesNotJoinAGroupOfAnotherProject) {
  GroupId group = this->group(actor_, {});
  GroupChange change;
  change.add_volumes.push_back(volume(other_).str());
  EXPECT_EQ(code_of(service().groups.update(admin_, group, change)), ErrorCode::InvalidInput);
}

TEST_F(UseCasesTest, AVolumeOfAGroupIsNotTransferred) {
  VolumeId volume = this->volume(actor_);
  group(actor_, {volume});
  EXPECT_EQ(code_of(service().transfers.create(actor_, volume, std::nullopt, false)), ErrorCode::InvalidState);
}

// Its offer referred to it: the end of the deletion could never be written.
TEST_F(UseCasesTest, AVolumeThatIsOfferedCanBeDeletedByForce) {
  VolumeId volume = this->volume(actor_);
  call(service().transfers.create(actor_, volume, std::nullopt, false));
  call(service().volumes.remove(admin_, volume, false, true));
  EXPECT_TRUE(view().volumes.empty());
  EXPECT_TRUE(view().transfers.empty());
}

TEST_F(UseCasesTest, WhatIsBeingRetypedCountsForTheQuotaOfTheNewType) {
  settings_.default_quotas = {{"volumes_SSD", 1}};
  VolumeId first = volume(actor_);
  VolumeId second = volume(actor_);
  begin(service().volumes.retype(actor_, first, "SSD", true));
  EXPECT_EQ(code_of(service().volumes.retype(actor_, second, "SSD", true)), ErrorCode::OverQuota);
  work();
  call(service().volumes.retype(actor_, first, "SAS", true));
  EXPECT_EQ(code_of(service().volumes.retype(actor_, second, "SSD", true)), std::nullopt);
}

TEST_F(UseCasesTest, AnAttachmentThatTwoCallsCouldNotEndIsWhatItWas) {
  AttachmentId id = call(service().attachments.create(actor_, of(volume(actor_), true))).id;
  call(service().attachments.complete(actor_, id));
  fail("unexport", 2);
  begin(service().attachments.remove(actor_, id));
  begin(service().attachments.remove(actor_, id));
  EXPECT_THROW(work(), Error);
  EXPECT_THROW(work(), Error);
  work();
  EXPECT_EQ(view().attachments.front().status, AttachmentStatus::Attached);
}

// os-attach takes a volume that is reserved, and the reservation waits.
TEST_F(UseCasesTest, AReservationIsNotUsedWhileSomebodyElseHasTheVolume) {
  VolumeId volume = this->volume(actor_);
  AttachmentId waiting = call(service().attachments.create(actor_, of(volume, false))).id;
  AttachSpec spec;
  spec.host_name = "h2";
  call(service().attachments.attach(actor_, volume, spec));
  EXPECT_EQ(code_of(service().attachments.connect(actor_, waiting, of(volume, true))), ErrorCode::InvalidState);
  EXPECT_THROW(begin(service().attachments.complete(actor_, waiting)), Error);
}

TEST_F(UseCasesTest, AConnectionIsOfWhoeverHasTheVolumeAndNotOfAReservation) {
  VolumeId volume = this->volume(actor_);
  AttachmentId waiting = call(service().attachments.create(actor_, of(volume, false))).id;
  call(service().attachments.attach(actor_, volume, {.host_name = "h1"}));
  EXPECT_NE(call(service().attachments.initialize_connection(actor_, of(volume, true))).id, waiting);
  AttachmentSpec other = of(volume, true);
  other.host_name = "h2";
  EXPECT_EQ(code_of(service().attachments.initialize_connection(actor_, other)), ErrorCode::InvalidState);
}

TEST_F(UseCasesTest, BesideAConnectedReservationNobodyElseIsServed) {
  VolumeId volume = this->volume(actor_);
  AttachmentId served = call(service().attachments.create(actor_, of(volume, false))).id;
  EXPECT_EQ(call(service().attachments.initialize_connection(actor_, of(volume, true))).id, served);
  call(service().attachments.attach(actor_, volume, {.host_name = "h2"}));
  AttachmentSpec other = of(volume, true);
  other.host_name = "h2";
  EXPECT_EQ(code_of(service().attachments.initialize_connection(actor_, other)), ErrorCode::InvalidState);
}

// It is attached again afterwards.
TEST_F(UseCasesTest, AVolumeWhoseConnectionIsBeingTerminatedIsAttachedToNoOther) {
  VolumeId volume = this->volume(actor_);
  call(service().attachments.initialize_connection(actor_, of(volume, true)));
  AttachSpec spec;
  spec.host_name = "h1";
  call(service().attachments.attach(actor_, volume, spec));
  begin(service().attachments.terminate_connection(actor_, volume, std::nullopt));
  spec.host_name = "h2";
  EXPECT_EQ(code_of(service().attachments.attach(actor_, volume, spec)), ErrorCode::InvalidState);
}

// Its address could not be written down, so that nothing told that it was there.
TEST_F(UseCasesTest, AnExportOfWhichNoRowTellsIsTakenAwayForAnExtension) {
  VolumeId volume = this->volume(actor_, "SAS", true);
  AttachmentId first = call(service().attachments.create(actor_, of(volume, true))).id;
  call(service().attachments.complete(actor_, first));
  begin(service().attachments.create(actor_, of(volume, true)));
  before("export", [] {
    fault::arm(fault::Kind::Commit, 1, ENOSPC);
    return std::nullopt;
  });
  EXPECT_THROW(work(), Error);
  fault::disarm();
  before("export", [] { return std::nullopt; });
  bool served = true;
  before("extend_volume", [&] {
    served = exporter_.served().contains({volume});
    return std::nullopt;
  });
  call(service().volumes.extend(actor_, volume, 2));
  EXPECT_FALSE(served);
}

}  // namespace
}  // namespace varve::services
