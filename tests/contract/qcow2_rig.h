// Backends with a place to live in, for tests.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backends/qcow2/qcow2_backend.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/rng.h"
#include "exports/nbd/connection.h"
#include "exports/nbd/nbd_exporter.h"
#include "qemu/process.h"

namespace varve {

// A backend with a place to live in, and a way to look at a volume's bytes.
class Rig {
 public:
  virtual ~Rig() = default;
  virtual backends::Backend& backend() = 0;
  virtual void restart() = 0;
  virtual bool io(const VolumeId& volume, const std::string& command) = 0;
  virtual void settle() = 0;
  virtual std::size_t layers() = 0;
};

class Qcow2Rig final : public Rig {
 public:
  // pools: names of further ones.
  explicit Qcow2Rig(std::vector<std::string> pools = {}) : pools_(std::move(pools)) {
    char pattern[] = "/tmp/varve-contract-XXXXXX";
    directory_ = mkdtemp(pattern);
    start();
  }
  ~Qcow2Rig() override {
    backend_.reset();
    for (const std::string& key : daemons_->keys()) daemons_->stop(key);
    daemons_.reset();
    std::filesystem::remove_all(directory_);
  }

  backends::Backend& backend() override { return *backend_; }
  const std::filesystem::path& directory() const { return directory_; }
  std::filesystem::path manifest(const VolumeId& volume) const {
    return directory_ / "volumes" / (volume.str() + ".json");
  }

  // The secret of all keys.
  static std::string secret() { return std::string(32, 'k'); }

  ManualClock& clock() { return clock_; }
  qemu::StorageDaemons& daemons() { return *daemons_; }

  // As a reboot does; between two lives of varved.
  void end_storage_daemons() {
    qemu::StorageDaemons running(directory_ / "run", "qemu-storage-daemon");
    for (const std::string& key : running.keys()) running.stop(key);
  }

  // varved ends, its files change, varved starts.
  void restart_after(const std::function<void()>& change) {
    backend_.reset();
    daemons_.reset();
    change();
    start();
  }

  void restart() override {
    restart_after([] {});
  }

  bool io(const VolumeId& volume, const std::string& command) override {
    nbd::NbdExporter exporter({}, *daemons_);
    backends::Device device = backend_->open({volume}, {});
    std::string uri = nbd::uri_of(exporter.add(device, AttachmentId("test"), false, std::nullopt));
    int status = qemu::run_process({"qemu-io", "-f", "raw", "-c", command, uri}, directory_ / "io.log");
    std::string log = files::read(directory_ / "io.log");
    std::filesystem::remove(directory_ / "io.log");
    backend_->close({volume});
    // qemu-io tells a failed pattern in words only.
    return status == 0 && log.find("verification failed") == std::string::npos &&
           log.find("error") == std::string::npos;
  }

  void settle() override {
    while (backend_->maintain()) {
    }
  }

  std::size_t layers() override {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_ / "layers")) {
      count += entry.path().extension() == ".qcow2";
    }
    return count;
  }

 private:
  void start() {
    spares_ = std::make_unique<Spares>(directory_ / "spare");
    daemons_ = std::make_unique<qemu::StorageDaemons>(directory_ / "run", "qemu-storage-daemon");
    qcow2::Config config{.directory = directory_};
    config.secret_of = [](const KeyId&) { return secret(); };
    for (const std::string& pool : pools_) config.pools.emplace_back(pool, directory_ / pool);
    backend_ = std::make_unique<qcow2::Qcow2Backend>(std::move(config), *spares_, *daemons_, clock_, rng_);
  }

  const std::vector<std::string> pools_;
  std::filesystem::path directory_;
  ManualClock clock_{Timestamp(std::chrono::hours(24 * 365 * 50))};
  SystemRng rng_;
  std::unique_ptr<Spares> spares_;
  std::unique_ptr<qemu::StorageDaemons> daemons_;
  std::unique_ptr<qcow2::Qcow2Backend> backend_;
};

}  // namespace varve
