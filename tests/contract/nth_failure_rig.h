// A qcow2 store for the n-th failure loop: it is set up once a scenario and begun again from a copy, a client may have
// its volume open, and what is on the disk is looked at by others than the code that wrote it.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backends/qcow2/header.h"
#include "base/digest.h"
#include "blocks/device.h"
#include "qcow2_rig.h"

namespace varve {

constexpr char kSecondPool[] = "second";

// What a volume or a snapshot is to hold: a digit a block of 64 KiB, the byte that fills it. '?': anything.
struct Expected {
  VolumeId volume;
  std::optional<SnapshotId> snapshot;
  std::string blocks;
  std::int64_t size_gib = 1;
};

class NthRig {
 public:
  static constexpr std::uint64_t kBlock = 64 << 10;

  VolumeId v{"11111111-1111-4111-8111-111111111111"};
  VolumeId w{"22222222-2222-4222-8222-222222222222"};
  SnapshotId s{"33333333-3333-4333-8333-333333333333"};
  SnapshotId t{"44444444-4444-4444-8444-444444444444"};
  SnapshotId u{"55555555-5555-4555-8555-555555555555"};
  KeyId key{"66666666-6666-4666-8666-666666666666"};

  NthRig() : rig_({kSecondPool}) {}
  ~NthRig() { std::filesystem::remove_all(kept()); }
  NthRig(const NthRig&) = delete;
  NthRig& operator=(const NthRig&) = delete;

  backends::Backend& backend() { return rig_.backend(); }
  const std::filesystem::path& directory() const { return rig_.directory(); }
  void restart() { rig_.restart(); }

  // All work in the background, also what was put off.
  void settle() {
    rig_.clock().advance(std::chrono::hours(1));
    rig_.settle();
    rig_.clock().advance(std::chrono::hours(1));
    rig_.settle();
  }

  // Opens the volume as a client's.
  void attach(const VolumeId& volume) {
    nbd::NbdExporter exporter({}, rig_.daemons());
    uri_ = nbd::uri_of(exporter.add(backend().open({volume}, {}), AttachmentId("client"), false, std::nullopt));
    open_ = volume;
  }
  void detach() {
    open_.reset();
    uri_.clear();
  }
  bool attached() const { return open_.has_value(); }
  void remove_export() {
    nbd::NbdExporter exporter({}, rig_.daemons());
    if (open_) exporter.remove({*open_}, AttachmentId("client"));
  }
  // From outside: the client knows nothing of what the backend is doing.
  void client_writes(std::size_t block, char digit, bool flushed = false) {
    blocks::Device device(uri_);
    device.write(block * kBlock, std::vector<char>(kBlock, static_cast<char>(digit - '0')));
    if (flushed) device.flush();
  }
  void write(const VolumeId& volume, const std::string& digits, std::size_t first = 0) {
    attach(volume);
    for (std::size_t i = 0; i < digits.size(); ++i) client_writes(first + i, digits[i]);
    backend().close({volume});
    detach();
  }

  // Makes the present store the one that begin() begins with.
  void keep() {
    rig_.restart_after([&] {
      end_daemons();
      copy_store(directory(), kept());
    });
  }
  void begin() {
    detach();
    rig_.restart_after([&] {
      end_daemons();
      for (const auto& entry : std::filesystem::directory_iterator(directory()))
        std::filesystem::remove_all(entry.path());
      copy_store(kept(), directory());
    });
  }

  // Right after a start.
  void expect_clean() {
    for (const auto& file : all_files()) {
      std::string name = file.filename().string();
      EXPECT_NE(name, "probe") << "left: " << file;
      EXPECT_NE(file.parent_path().filename(), "quarantine") << "set aside: " << file;
    }
    for (const auto& [volume, manifest] : manifests()) {
      EXPECT_FALSE(manifest.intent) << "an intent of " << volume.str();
      EXPECT_EQ(backend().damage({volume}).value_or(""), "");
      for (const auto& [id, frozen] : manifest.snapshots) EXPECT_EQ(backend().damage({volume, id}).value_or(""), "");
    }
  }

  // When maintenance has come to its end: nothing is there that is not needed.
  void expect_settled() {
    expect_clean();
    for (const auto& file : all_files()) EXPECT_FALSE(file.string().ends_with(".new")) << "left: " << file;
    std::set<std::string> needed;
    for (const auto& [volume, manifest] : manifests()) {
      for (const LayerId& top : manifest.referred()) {
        for (const LayerId& layer : chain(top)) needed.insert(layer.str());
      }
    }
    std::set<std::string> present;
    for (const auto& file : all_files()) {
      if (file.extension() == ".qcow2" && file.parent_path().filename() == "layers") present.insert(file.stem());
      EXPECT_NE(file.extension(), ".deleted") << file;
    }
    EXPECT_EQ(present, needed);
    std::set<std::string> daemons;
    for (const std::string& name : rig_.daemons().keys()) {
      if (rig_.daemons().find(name)) daemons.insert(name);
    }
    daemons.erase("pool");
    EXPECT_EQ(daemons, open_ ? std::set{open_->str()} : std::set<std::string>{});
  }

  // The volume is closed. Read by QEMU, along the names in the images.
  void expect_bytes(const Expected& expected) {
    auto found = manifests().find(expected.volume);
    if (found == manifests_.end()) FAIL() << "no volume " << expected.volume.str();
    LayerId top = found->second.active;
    if (expected.snapshot) {
      auto frozen = found->second.snapshots.find(*expected.snapshot);
      if (frozen == found->second.snapshots.end()) FAIL() << "no snapshot " << expected.snapshot->str();
      top = frozen->second.layer;
    }
    std::string options;
    std::string prefix;
    for (const LayerId& layer : chain(top)) {
      std::string file = layer_file(layer).string();
      options += (options.empty() ? "" : ",") + prefix + "driver=qcow2," + prefix + "file.filename=" + file;
      if (qcow2::require_header(file).encrypted)
        options += "," + prefix + "encrypt.format=luks," + prefix + "encrypt.key-secret=s";
      prefix += "backing.";
    }
    std::vector<std::string> command{"qemu-io", "-r", "-U", "--object", "secret,id=s,file=" + secret_file()};
    for (std::size_t i = 0; i < expected.blocks.size(); ++i) {
      if (expected.blocks[i] == '?') continue;
      command.insert(command.end(), {"-c", std::string("read -P ") + expected.blocks[i] + " " +
                                               std::to_string(i * kBlock) + " " + std::to_string(kBlock)});
    }
    command.insert(command.end(), {"-c", "length", "--image-opts", options});
    std::filesystem::path log = directory() / "io.log";
    std::filesystem::remove(log);
    int status = qemu::run_process(command, log);
    std::string said = files::read(log);
    std::filesystem::remove(log);
    std::filesystem::remove(directory() / "secret");
    EXPECT_TRUE(status == 0 && said.find("verification failed") == std::string::npos) << said;
    EXPECT_NE(said.find(std::to_string(expected.size_gib) + " GiB"), std::string::npos) << said;
  }

  bool has_snapshot(const VolumeId& volume, const SnapshotId& snapshot) {
    auto found = manifests().find(volume);
    return found != manifests_.end() && found->second.snapshots.contains(snapshot);
  }

  // Files of a store that was cut off in its work.
  void leave(const std::filesystem::path& name, const std::string& content) {
    std::ofstream(directory() / name) << content;
  }

 private:
  std::filesystem::path kept() const { return directory().string() + "-kept"; }

  std::vector<std::filesystem::path> all_files() const {
    std::vector<std::filesystem::path> out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory())) {
      bool runs = entry.path().string().starts_with((directory() / "run").string());
      if (entry.is_regular_file() && !runs) out.push_back(entry.path());
    }
    return out;
  }

  const std::map<VolumeId, qcow2::Manifest>& manifests() {
    manifests_.clear();
    for (const auto& file : all_files()) {
      if (file.extension() != ".json" || file.parent_path().filename() != "volumes") continue;
      qcow2::Manifest manifest = qcow2::parse_manifest(files::read(file));
      EXPECT_EQ(manifest.volume.str(), file.stem());
      manifests_[manifest.volume] = manifest;
    }
    return manifests_;
  }

  std::filesystem::path layer_file(const LayerId& layer) const {
    std::filesystem::path name = std::filesystem::path("layers") / (layer.str() + ".qcow2");
    std::filesystem::path other = directory() / kSecondPool / name;
    return std::filesystem::exists(other) ? other : directory() / name;
  }

  std::vector<LayerId> chain(const LayerId& top) const {
    std::vector<LayerId> out;
    for (std::optional<LayerId> next = top; next; next = qcow2::require_header(layer_file(*next)).parent) {
      out.push_back(*next);
    }
    return out;
  }

  std::string secret_file() const {
    std::filesystem::path file = directory() / "secret";
    // As the backend hands it over: hexadecimal text.
    std::ofstream(file) << to_hex(Qcow2Rig::secret());
    return file;
  }

  // As a power cut of the storage daemons alone; every scenario begins with none.
  void end_daemons() {
    std::filesystem::path run = directory() / "run";
    if (!std::filesystem::exists(run)) return;
    for (const auto& entry : std::filesystem::directory_iterator(run)) {
      for (const auto& process : qemu::Process::find_all("--pidfile", (entry.path() / "pid").string())) {
        process.kill();
        process.wait_gone(std::chrono::seconds(10));
      }
    }
    std::filesystem::remove_all(run);
  }

  static void copy_store(const std::filesystem::path& from, const std::filesystem::path& to) {
    std::filesystem::create_directories(to);
    std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
  }

  Qcow2Rig rig_;
  std::optional<VolumeId> open_;
  std::string uri_;
  std::map<VolumeId, qcow2::Manifest> manifests_;
};

}  // namespace varve
