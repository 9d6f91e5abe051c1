#include "backends/qcow2/assessment.h"

#include <gtest/gtest.h>

namespace varve::qcow2 {
namespace {

// Ids are looked at by who reads files only: short ones do here.
LayerFile file(const char* parent = nullptr) {
  Header header;
  if (parent != nullptr) header = {.has_backing = true, .parent = LayerId(parent)};
  return {"default", "", header};
}

class AssessmentTest : public testing::Test {
 protected:
  Manifest& manifest(const char* volume, const char* active) {
    ManifestFile& made = survey_.manifests[VolumeId(volume)];
    made.manifest = Manifest{.volume = VolumeId(volume), .size_gib = 1, .active = LayerId(active)};
    return *made.manifest;
  }

  Survey survey_;
};

TEST_F(AssessmentTest, ADraftThatAManifestNamesIsFinishedAndNoOtherIsKept) {
  manifest("v", "a");
  survey_.drafts = {{LayerId("a"), file()}, {LayerId("b"), file()}};
  Assessment told = assess(survey_);
  EXPECT_EQ(told.drafts_to_finish, std::set{LayerId("a")});
  EXPECT_EQ(told.drafts_to_remove, std::set{LayerId("b")});
  EXPECT_FALSE(told.graph.damage(LayerId("a")));
}

// A power cut may take a layer's final name, which is not waited for: another layer then stands on a draft.
TEST_F(AssessmentTest, ADroppedLayerIsDroppedUnderItsFirstNameToo) {
  Manifest& moved = manifest("v", "top");
  moved.dropped = {LayerId("old")};
  survey_.layers = {{LayerId("top"), file("old")}, {LayerId("left"), file("below")}};
  survey_.drafts = {{LayerId("old"), file()}, {LayerId("below"), file()}};
  survey_.tombstones[VolumeId("w")].manifest =
      Manifest{.volume = VolumeId("w"), .active = LayerId("left"), .dropped = {LayerId("below")}};
  Assessment told = assess(survey_);
  EXPECT_EQ(told.drafts_to_finish, (std::set{LayerId("old"), LayerId("below")}));
  EXPECT_EQ(told.dropped.at(LayerId("old")), VolumeId("v"));
  EXPECT_EQ(told.manifests.at(VolumeId("v")).dropped, std::set{LayerId("old")});
  EXPECT_EQ(told.deleted.at(VolumeId("w")), (std::set{LayerId("below"), LayerId("left")}));
}

TEST_F(AssessmentTest, WhatAnotherManifestRefersToIsNotDroppedByATombstone) {
  manifest("v", "top");
  survey_.layers = {{LayerId("base"), file()}, {LayerId("top"), file("base")}, {LayerId("gone"), file("base")}};
  survey_.tombstones[VolumeId("w")].manifest =
      Manifest{.volume = VolumeId("w"), .active = LayerId("gone"), .dropped = {LayerId("top")}, .lists_dropped = false};
  Assessment told = assess(survey_);
  EXPECT_EQ(told.deleted.at(VolumeId("w")), (std::set{LayerId("base"), LayerId("gone")}));
  EXPECT_FALSE(told.dropped.contains(LayerId("top")));
  EXPECT_TRUE(told.to_set_aside.empty());
}

// Of a store of the first format alone it follows from the chain what was dropped: a later manifest that does not list
// a layer was written by somebody who did not drop it.
TEST_F(AssessmentTest, OnlyTheFirstFormatDropsWhatItDoesNotList) {
  for (bool lists : {false, true}) {
    survey_ = {};
    manifest("v", "top").lists_dropped = lists;
    survey_.layers = {{LayerId("base"), file()}, {LayerId("top"), file("base")}};
    Assessment told = assess(survey_);
    EXPECT_EQ(told.dropped.contains(LayerId("base")), !lists);
    EXPECT_FALSE(told.dropped.contains(LayerId("top")));
    EXPECT_TRUE(told.to_set_aside.empty());
  }
}

TEST_F(AssessmentTest, AnActiveLayerThatAnotherVolumeReadsIsDamageOfWhoWouldWriteToIt) {
  manifest("v", "a");
  manifest("w", "a").size_gib = 2;
  manifest("x", "b");
  manifest("y", "c").snapshots[SnapshotId("s")] = {LayerId("b"), 1};
  manifest("z", "d").snapshots[SnapshotId("t")] = {LayerId("d"), 1};
  survey_.layers = {{LayerId("a"), file()}, {LayerId("b"), file()}, {LayerId("c"), file("b")}, {LayerId("d"), file()}};
  Assessment told = assess(survey_);
  EXPECT_TRUE(told.unreadable.contains(VolumeId("v")) && told.unreadable.contains(VolumeId("w")));
  EXPECT_TRUE(told.unreadable.contains(VolumeId("x")) && told.unreadable.contains(VolumeId("z")));
  EXPECT_TRUE(told.manifests.contains(VolumeId("y")));
  EXPECT_TRUE(told.to_set_aside.empty());
  EXPECT_TRUE(told.graph.removable({}).empty());
}

TEST_F(AssessmentTest, AnOverlayWhosePoolIsAwayIsDamagedAndNotThoughtNeverMade) {
  Manifest& switched = manifest("v", "a");
  switched.intent = Intent{.overlay = LayerId("o"), .snapshot = SnapshotId("s"), .pool = "fast", .made = false};
  survey_.layers = {{LayerId("a"), file()}};
  EXPECT_FALSE(assess(survey_).graph.contains(LayerId("o")));
  survey_.absent_pools["other"] = "its disk is away";
  EXPECT_FALSE(assess(survey_).graph.contains(LayerId("o")));
  survey_.absent_pools["fast"] = "its disk is away";
  EXPECT_TRUE(assess(survey_).graph.damage(LayerId("o")));
  switched.intent->pool.clear();
  switched.pool = "fast";
  EXPECT_TRUE(assess(survey_).graph.damage(LayerId("o")));
}

TEST_F(AssessmentTest, AnOverlayThatWasMadeAndIsNotFoundIsDamaged) {
  Manifest& switched = manifest("v", "a");
  switched.intent = Intent{.overlay = LayerId("o"), .snapshot = SnapshotId("s"), .pool = "", .made = true};
  survey_.layers = {{LayerId("a"), file()}};
  EXPECT_TRUE(assess(survey_).graph.damage(LayerId("o")));
  survey_.drafts = {{LayerId("o"), file("a")}};
  Assessment told = assess(survey_);
  EXPECT_FALSE(told.graph.damage(LayerId("o")));
  EXPECT_TRUE(told.drafts_to_finish.contains(LayerId("o")) && told.drafts_to_remove.empty());
}

TEST_F(AssessmentTest, AVolumeIsNotSmallerThanWhatIsActive) {
  manifest("v", "a");
  manifest("w", "b").size_gib = 3;
  LayerFile grown = file();
  grown.header->virtual_size = (2ULL << 30) - 512;
  survey_.layers = {{LayerId("a"), grown}, {LayerId("b"), grown}};
  Assessment told = assess(survey_);
  EXPECT_EQ(told.manifests.at(VolumeId("v")).size_gib, 2);
  EXPECT_EQ(told.manifests.at(VolumeId("w")).size_gib, 3);
}

TEST_F(AssessmentTest, AVolumeThatWasBeingGivenAnotherIdHasTwoManifests) {
  manifest("v", "a");
  manifest("w", "a").taken_from = VolumeId("v");
  survey_.layers = {{LayerId("a"), file()}};
  EXPECT_TRUE(assess(survey_).unreadable.empty());
  manifest("w", "a");  // a copy made by hand
  EXPECT_EQ(assess(survey_).unreadable.size(), 2U);
}

TEST_F(AssessmentTest, LayersInACircleAreDamaged) {
  manifest("v", "a");
  survey_.layers = {{LayerId("a"), file("b")}, {LayerId("b"), file("a")}};
  Assessment told = assess(survey_);
  EXPECT_TRUE(told.graph.damage(LayerId("a")));
  EXPECT_TRUE(told.to_set_aside.empty());
}

TEST_F(AssessmentTest, NothingIsSetAsideOrRemovedWhileAManifestCouldNotBeRead) {
  survey_.layers = {{LayerId("a"), file()}};
  survey_.drafts = {{LayerId("b"), file()}};
  ManifestFile& unread = survey_.manifests[VolumeId("v")];
  unread.manifest = std::unexpected("EIO");
  unread.unread = true;
  Assessment told = assess(survey_);
  EXPECT_TRUE(told.to_set_aside.empty());
  EXPECT_TRUE(told.drafts_to_remove.empty());
  EXPECT_TRUE(told.unaccounted.contains(LayerId("a")));
  EXPECT_TRUE(told.graph.removable({}).empty());
}

// Of a pool whose disk is not mounted: the proof outlives it.
TEST_F(AssessmentTest, WhatWasDroppedStaysOnRecordWhileADirectoryCannotBeRead) {
  manifest("v", "a").dropped = {LayerId("old")};
  survey_.layers = {{LayerId("a"), file()}};
  survey_.unlisted = {"layers: Input/output error"};
  EXPECT_EQ(assess(survey_).manifests.at(VolumeId("v")).dropped, std::set{LayerId("old")});
  survey_.unlisted.clear();
  EXPECT_TRUE(assess(survey_).manifests.at(VolumeId("v")).dropped.empty());
}

TEST_F(AssessmentTest, ANeededLayerComesBackFromQuarantineWithWhatItStandsOn) {
  manifest("v", "top");
  survey_.quarantined = {{LayerId("base"), file()}, {LayerId("top"), file("base")}, {LayerId("else"), file()}};
  Assessment told = assess(survey_);
  EXPECT_EQ(told.to_put_back, (std::set{LayerId("base"), LayerId("top")}));
  EXPECT_FALSE(told.graph.damage(LayerId("top")));
}

}  // namespace
}  // namespace varve::qcow2
