// A start destroys nothing that it cannot prove to be rubbish, and a fault of one file stays with who needs it.

#include <gtest/gtest.h>

#include <fstream>

#include "backends/qcow2/header.h"
#include "backends/qcow2/images.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/fault.h"
#include "qcow2_rig.h"

namespace varve {
namespace {

namespace fs = std::filesystem;

class Recovery : public testing::Test {
 protected:
  backends::Backend& backend() { return rig_.backend(); }

  void make(const VolumeId& volume, int pattern) {
    backend().create_volume(volume, 1, {});
    write(volume, pattern);
  }
  void write(const VolumeId& volume, int pattern) {
    EXPECT_TRUE(rig_.io(volume, "write -P " + std::to_string(pattern) + " 0 1M"));
  }
  bool holds(const VolumeId& volume, int pattern) {
    return rig_.io(volume, "read -P " + std::to_string(pattern) + " 0 1M");
  }

  qcow2::Manifest manifest(const VolumeId& volume) { return qcow2::parse_manifest(files::read(rig_.manifest(volume))); }
  fs::path file(const LayerId& layer) { return rig_.directory() / "layers" / (layer.str() + ".qcow2"); }
  fs::path active(const VolumeId& volume) { return file(manifest(volume).active); }
  fs::path quarantine() { return rig_.directory() / "quarantine"; }
  fs::path set_aside(const fs::path& layer) { return quarantine() / layer.filename(); }

  void open_for_writing(const LayerId& layer, const std::string& daemon) {
    namespace json = qemu::json;
    qemu::QmpClient& qmp = rig_.daemons().find(daemon)->qmp();
    std::string name = qcow2::Images::node(layer);
    json::object options{{"driver", "qcow2"}, {"node-name", name}, {"read-only", false}, {"backing", nullptr}};
    json::value graph = qmp.execute("x-debug-query-block-graph");
    std::map<std::int64_t, json::string> names;
    for (const json::value& node : graph.at("nodes").as_array())
      names[node.at("id").as_int64()] = node.at("name").as_string();
    for (const json::value& edge : graph.at("edges").as_array()) {
      if (names[edge.at("parent").as_int64()] != name) continue;
      options[edge.at("name").as_string()] = names[edge.at("child").as_int64()];
    }
    qmp.execute("blockdev-reopen", {{"options", json::array{options}}});
  }

  static void flip_magic(const fs::path& path) {
    std::fstream image(path, std::ios::in | std::ios::out | std::ios::binary);
    char magic[4];
    image.read(magic, sizeof magic);
    for (char& byte : magic) byte = static_cast<char>(~byte);
    image.seekp(0);
    image.write(magic, sizeof magic);
  }
  static std::vector<std::string> files_of(const fs::path& directory) {
    std::vector<std::string> out;
    if (!fs::exists(directory)) return out;
    for (const auto& entry : fs::directory_iterator(directory)) out.push_back(entry.path().filename().string());
    return out;
  }

  Qcow2Rig rig_;
  VolumeId v_{"11111111-1111-4111-8111-111111111111"};
  VolumeId w_{"22222222-2222-4222-8222-222222222222"};
  SnapshotId s_{"33333333-3333-4333-8333-333333333333"};
  SnapshotId t_{"44444444-4444-4444-8444-444444444444"};
};

TEST_F(Recovery, ALayerWithADamagedHeaderIsKeptAndIsItsVolumesTroubleAlone) {
  make(v_, 1);
  backend().create_snapshot(v_, s_);
  write(v_, 2);
  make(w_, 3);
  fs::path layer = active(v_);
  rig_.restart_after([&] { flip_magic(layer); });
  rig_.settle();
  EXPECT_TRUE(fs::exists(layer));
  EXPECT_NE(backend().damage({v_})->find("header"), std::string::npos);
  EXPECT_THROW(backend().open({v_}, {}), Error);
  EXPECT_THROW(backend().create_snapshot(v_, t_), Error);
  EXPECT_FALSE(backend().damage({w_}));
  EXPECT_TRUE(holds(w_, 3));
  // The snapshot below is sound.
  EXPECT_FALSE(backend().damage({v_, s_}));
  backend().clone_snapshot(VolumeId("55555555-5555-4555-8555-555555555555"), 1, v_, s_, "");
  EXPECT_TRUE(holds(VolumeId("55555555-5555-4555-8555-555555555555"), 1));

  auto before = backend().damage_version();
  flip_magic(layer);
  rig_.clock().advance(std::chrono::seconds(10));
  rig_.settle();
  EXPECT_FALSE(backend().damage({v_}));
  EXPECT_NE(backend().damage_version(), before);
  EXPECT_TRUE(holds(v_, 2));
}

TEST_F(Recovery, ALayerThatCannotBeOpenedIsKept) {
  make(v_, 1);
  fs::path layer = active(v_);
  fs::path elsewhere = rig_.directory() / "elsewhere";
  auto make_unreadable = [&] {
    fs::rename(layer, elsewhere);
    fs::create_symlink(layer, layer);  // opening it fails with ELOOP
  };
  rig_.restart_after(make_unreadable);
  rig_.settle();
  EXPECT_TRUE(fs::is_symlink(layer));
  EXPECT_TRUE(backend().damage({v_}));
  fs::remove(layer);
  fs::rename(elsewhere, layer);
  rig_.clock().advance(std::chrono::seconds(10));
  rig_.settle();
  EXPECT_TRUE(holds(v_, 1));
}

// A merge that was cancelled at the wrong moment leaves it so, and then nobody else could open it.
TEST_F(Recovery, AFrozenLayerThatIsOpenForWritingIsSealed) {
  make(v_, 1);
  backend().open({v_}, {});
  for (char digit : {'5', '6', '7'}) {
    backend().create_snapshot(v_, SnapshotId(std::string(8, digit) + "-5555-4555-8555-555555555555"));
  }
  backend().create_snapshot(v_, s_);
  open_for_writing(manifest(v_).snapshots.at(s_).layer, v_.str());
  rig_.restart();
  backend().open({v_}, {});
  backend().clone_snapshot(w_, 1, v_, s_, "");
  EXPECT_TRUE(holds(w_, 1));

  open_for_writing(manifest(v_).snapshots.at(s_).layer, v_.str());
  rig_.clock().advance(std::chrono::seconds(5));
  rig_.settle();  // makes the chain short
  EXPECT_TRUE(holds(w_, 1));
  backend().close({v_});
}

// The same in the daemon that serves a snapshot, where the layer is the top one.
TEST_F(Recovery, ASnapshotsLayerThatIsOpenForWritingIsSealed) {
  make(v_, 1);
  backend().create_snapshot(v_, s_);
  backend().open({v_, s_}, {});
  open_for_writing(manifest(v_).snapshots.at(s_).layer, "snapshot-" + s_.str());
  rig_.restart();
  backend().open({v_, s_}, {});
  EXPECT_TRUE(holds(v_, 1));
  backend().close({v_, s_});
}

TEST_F(Recovery, WhatCannotBeOpenedForAMomentIsNoDamage) {
  make(v_, 1);
  for (int n = 1; n <= 3; ++n) {
    fault::arm(fault::Kind::Open, n, EMFILE);
    try {
      rig_.io(v_, "read 0 1M");
    } catch (const Error& fault) {
      EXPECT_NE(fault.message().find("Too many open files"), std::string::npos) << fault.message();
    }
    fault::disarm();
    EXPECT_EQ(backend().damage({v_}), std::nullopt) << n;
  }
  EXPECT_TRUE(holds(v_, 1));
}

TEST_F(Recovery, AMissingLayerDamagesItsVolumeAndNothingElse) {
  make(v_, 1);
  make(w_, 3);
  fs::path layer = active(v_);
  fs::path elsewhere = rig_.directory() / "elsewhere";
  rig_.restart_after([&] { fs::rename(layer, elsewhere); });
  rig_.settle();
  EXPECT_NE(backend().damage({v_})->find("missing"), std::string::npos);
  EXPECT_TRUE(holds(w_, 3));
  fs::rename(elsewhere, layer);
  rig_.clock().advance(std::chrono::seconds(10));
  rig_.settle();
  EXPECT_TRUE(holds(v_, 1));
}

// A disk that hangs may still let its files be read, and those of another store's pool always can be.
TEST_F(Recovery, WhatIsInAPoolThatCannotBeUsedIsNotMendedBeforeThePoolCanBe) {
  Qcow2Rig rig({"second"});
  fs::path owner = rig.directory() / "second" / "store";
  fs::path other = rig.directory() / "other";
  fs::create_directories(other / "volumes");
  rig.backend().create_volume(v_, 1, {.pool = "second", .key = {}});
  ASSERT_TRUE(rig.io(v_, "write -P 1 0 1M"));
  std::string ours = files::read(owner);
  rig.restart_after([&] { files::replace_atomically(owner, other.string() + "\n"); });
  ASSERT_TRUE(rig.backend().damage({v_}));
  rig.clock().advance(std::chrono::minutes(1));
  rig.settle();
  EXPECT_TRUE(rig.backend().damage({v_}));
  EXPECT_THROW(rig.backend().open({v_}, {}), Error);
  files::replace_atomically(owner, ours);
  rig.clock().advance(std::chrono::minutes(1));
  rig.settle();
  EXPECT_FALSE(rig.backend().damage({v_}));
  EXPECT_TRUE(rig.io(v_, "read -P 1 0 1M"));
}

TEST_F(Recovery, TheLayersOfALostManifestAreSetAsideAndPutBackWithIt) {
  make(v_, 1);
  backend().create_snapshot(v_, s_);
  write(v_, 2);
  make(w_, 3);
  fs::path top = active(v_);
  fs::path frozen = file(manifest(v_).snapshots.at(s_).layer);
  std::string text = files::read(rig_.manifest(v_));
  rig_.restart_after([&] { fs::remove(rig_.manifest(v_)); });
  rig_.settle();
  EXPECT_FALSE(fs::exists(top));
  EXPECT_TRUE(fs::exists(set_aside(top)));
  EXPECT_TRUE(fs::exists(set_aside(frozen)));
  EXPECT_NE(files::read(set_aside(top).string() + ".reason").find("no deletion"), std::string::npos);
  EXPECT_TRUE(backend().damage({v_}));
  EXPECT_TRUE(holds(w_, 3));
  rig_.restart();
  rig_.settle();
  EXPECT_TRUE(fs::exists(set_aside(top)));

  rig_.restart_after([&] { files::replace_atomically(rig_.manifest(v_), text); });
  EXPECT_TRUE(holds(v_, 2));
  EXPECT_TRUE(files_of(quarantine()).empty());
  backend().rollback(v_, s_);
  EXPECT_TRUE(holds(v_, 1));
}

TEST_F(Recovery, WhatALostVolumesLayersStandOnStays) {
  make(v_, 1);
  backend().create_snapshot(v_, s_);
  backend().clone_snapshot(w_, 1, v_, s_, "");
  std::string text = files::read(rig_.manifest(w_));
  backend().delete_snapshot(v_, s_);
  rig_.restart_after([&] { fs::remove(rig_.manifest(w_)); });
  rig_.settle();
  rig_.restart_after([&] { files::replace_atomically(rig_.manifest(w_), text); });
  EXPECT_TRUE(holds(w_, 1));
  EXPECT_TRUE(holds(v_, 1));
}

TEST_F(Recovery, ADamagedManifestIsItsVolumesTroubleAlone) {
  make(v_, 1);
  make(w_, 3);
  fs::path layer = active(v_);
  std::string text = files::read(rig_.manifest(v_));
  for (const std::string& content : {std::string(), text.substr(0, text.size() / 2), std::string("{}"),
                                     std::string("[]"), std::string("{\"version\":99}")}) {
    rig_.restart_after([&] { files::replace_atomically(rig_.manifest(v_), content); });
    rig_.settle();
    EXPECT_TRUE(backend().has_volume(v_));
    EXPECT_NE(backend().damage({v_})->find("manifest"), std::string::npos);
    EXPECT_THROW(backend().open({v_}, {}), Error);
    EXPECT_TRUE(holds(w_, 3));
  }
  rig_.restart_after([&] { files::replace_atomically(rig_.manifest(v_), text); });
  EXPECT_TRUE(holds(v_, 1));
  rig_.restart_after([&] { files::replace_atomically(rig_.manifest(v_), ""); });
  backend().delete_volume(v_, {});
  rig_.settle();
  EXPECT_FALSE(backend().has_volume(v_));
  EXPECT_TRUE(fs::exists(set_aside(layer)));
  EXPECT_TRUE(fs::exists(set_aside(rig_.manifest(v_))));
}

TEST_F(Recovery, AManifestThatCannotBeReadLeavesEveryLayerInPlace) {
  make(v_, 1);
  fs::path layer = active(v_);
  std::string text = files::read(rig_.manifest(v_));
  auto make_unreadable = [&] {
    fs::remove(rig_.manifest(v_));
    fs::create_symlink(rig_.manifest(v_), rig_.manifest(v_));
  };
  rig_.restart_after(make_unreadable);
  rig_.settle();
  EXPECT_TRUE(fs::exists(layer));
  rig_.restart_after([&] { files::replace_atomically(rig_.manifest(v_), text); });
  EXPECT_TRUE(holds(v_, 1));
}

TEST_F(Recovery, FilesThatAreNotOursAreLeftAlone) {
  make(v_, 1);
  std::vector<fs::path> strays{rig_.directory() / "volumes" / "notes.json", rig_.directory() / "layers" / "copy.qcow2",
                               rig_.directory() / "volumes" / (w_.str() + ".json~")};
  rig_.restart_after([&] {
    for (const fs::path& stray : strays) files::replace_atomically(stray, "{");
  });
  rig_.settle();
  for (const fs::path& stray : strays) EXPECT_TRUE(fs::exists(stray));
  EXPECT_TRUE(holds(v_, 1));
}

// varved was killed between the start of a volume's storage daemon and the opening of its layers there.
TEST_F(Recovery, AMergeIsNotTakenForDoneBecauseAStorageDaemonHasNothingOpen) {
  make(v_, 1);
  backend().create_snapshot(v_, s_);
  EXPECT_TRUE(rig_.io(v_, "write -P 2 1M 1M"));
  rig_.daemons().start(v_.str());
  backend().delete_snapshot(v_, s_);
  rig_.restart();
  rig_.settle();
  rig_.clock().advance(std::chrono::seconds(10));
  rig_.settle();
  EXPECT_EQ(rig_.layers(), 1U);
  EXPECT_TRUE(holds(v_, 1));
  EXPECT_TRUE(rig_.io(v_, "read -P 2 1M 1M"));
}

// Its file says on what it stands; as long as that cannot be read, what it may stand on stays.
TEST_F(Recovery, WhatADamagedLayerMayStandOnStays) {
  make(v_, 1);
  backend().create_snapshot(v_, s_);
  backend().delete_snapshot(v_, s_);
  fs::path layer = active(v_);
  make(w_, 3);
  backend().create_snapshot(w_, t_);
  backend().delete_snapshot(w_, t_);
  rig_.restart_after([&] { flip_magic(layer); });
  rig_.settle();
  EXPECT_EQ(rig_.layers(), 3U) << "two of the damaged volume, one of the other";
  rig_.restart_after([&] { flip_magic(layer); });
  rig_.settle();
  EXPECT_EQ(rig_.layers(), 2U);
  EXPECT_TRUE(holds(v_, 1));
  EXPECT_TRUE(holds(w_, 3));
}

TEST_F(Recovery, ADraftThatNoManifestNamesGoes) {
  make(v_, 1);
  fs::path draft = rig_.directory() / "layers" / "66666666-6666-4666-8666-666666666666.qcow2.new";
  rig_.restart_after([&] { files::replace_atomically(draft, "cut off"); });
  rig_.settle();
  EXPECT_FALSE(fs::exists(draft));
  EXPECT_TRUE(files_of(quarantine()).empty());
}

TEST_F(Recovery, ADraftThatAManifestNamesIsALayer) {
  make(v_, 1);
  fs::path layer = active(v_);
  rig_.restart_after([&] { fs::rename(layer, layer.string() + ".new"); });
  EXPECT_TRUE(fs::exists(layer));
  EXPECT_TRUE(holds(v_, 1));
}

TEST_F(Recovery, WhatWasDeletedGoesAfterARestart) {
  make(v_, 1);
  backend().create_snapshot(v_, s_);
  backend().create_snapshot(v_, t_);
  make(w_, 3);
  backend().create_snapshot(w_, t_);
  backend().delete_snapshot(w_, t_);
  backend().delete_volume(v_, {s_, t_});
  rig_.restart();
  EXPECT_FALSE(backend().has_volume(v_));
  rig_.settle();
  EXPECT_EQ(rig_.layers(), 1U);
  EXPECT_TRUE(files_of(quarantine()).empty());
  EXPECT_EQ(files_of(rig_.directory() / "volumes").size(), 1U);
  EXPECT_TRUE(holds(w_, 3));
}

TEST_F(Recovery, ADeletedVolumeThatACloneStandsOnGoesWithTheDependence) {
  make(v_, 1);
  backend().create_snapshot(v_, s_);
  backend().clone_snapshot(w_, 1, v_, s_, "");
  backend().delete_volume(v_, {s_});
  rig_.restart();
  rig_.settle();
  EXPECT_EQ(rig_.layers(), 1U);
  EXPECT_TRUE(files_of(quarantine()).empty());
  EXPECT_EQ(files_of(rig_.directory() / "volumes").size(), 1U);
  EXPECT_TRUE(holds(w_, 1));
}

// Stores of the first format did not write down what was dropped.
TEST_F(Recovery, AStoreOfTheFirstFormatGoesOn) {
  make(v_, 1);
  backend().create_snapshot(v_, s_);
  qcow2::Manifest before = manifest(v_);
  std::string text = "{\"version\":1,\"volume\":\"" + v_.str() + "\",\"size_gib\":1,\"active\":\"" +
                     before.active.str() + "\",\"root\":\"\",\"pool\":\"\",\"key\":\"\",\"snapshots\":{}}";
  rig_.restart_after([&] { files::replace_atomically(rig_.manifest(v_), text); });
  rig_.settle();
  EXPECT_EQ(rig_.layers(), 1U);
  EXPECT_TRUE(files_of(quarantine()).empty());
  EXPECT_TRUE(holds(v_, 1));
}

// The client has written to the overlay of a switch that was not finished.
TEST_F(Recovery, AnOverlayThatCannotBeReadIsKeptWithItsBytes) {
  make(v_, 1);
  backend().open({v_}, {});
  failpoint::arm("snapshot.create.after_switch", "error");
  EXPECT_THROW(backend().create_snapshot(v_, s_), Error);
  LayerId overlay = manifest(v_).intent.value().overlay;
  {
    nbd::NbdExporter exporter({}, rig_.daemons());
    backends::Device device{{v_}, qcow2::Images::throttle_node()};
    std::string uri = nbd::uri_of(exporter.add(device, AttachmentId("guest"), false, std::nullopt));
    std::vector<std::string> write{"qemu-io", "-f", "raw", "-c", "write -P 9 0 1M", "-c", "flush", uri};
    EXPECT_EQ(qemu::run_process(write, rig_.directory() / "io.log"), 0);
  }
  rig_.restart_after([&] {
    rig_.end_storage_daemons();
    flip_magic(file(overlay));
  });
  rig_.settle();
  EXPECT_TRUE(fs::exists(file(overlay)));
  EXPECT_THROW(backend().create_snapshot(v_, t_), Error);
  rig_.restart_after([&] { flip_magic(file(overlay)); });
  EXPECT_TRUE(holds(v_, 9));
}

// QEMU ends a merge by writing the new backing file into the header while its tables are still in its memory.
TEST_F(Recovery, AStorageDaemonThatIsKilledAfterAMergeLeavesTheMergedBytes) {
  make(v_, 1);
  backend().create_snapshot(v_, s_);
  backend().open({v_}, {});
  backend().delete_snapshot(v_, s_);
  failpoint::arm("layer.merge.after_stream", "error");
  backend().maintain();
  std::shared_ptr<qemu::StorageDaemon> daemon = rig_.daemons().known(v_.str());
  daemon->process().kill();
  EXPECT_TRUE(daemon->process().wait_gone(std::chrono::seconds(10)));
  daemon.reset();
  rig_.restart();
  backend().close({v_});
  EXPECT_TRUE(holds(v_, 1));
}

}  // namespace
}  // namespace varve
