// What else stands around the service and outlives it: exports, keys. Images and backups are not simulated yet: their
// services are there and refuse.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "backends/fake/fake_backend.h"
#include "backups/object_store.h"
#include "exports/exporter.h"
#include "images/converter.h"
#include "keys/key_manager.h"

namespace varve::sim {

class Exporter final : public exports::Exporter {
 public:
  // As that of the backend.
  using Watch = std::function<std::optional<fake::Failure>(std::string_view call, const model::Source& source)>;
  explicit Exporter(Watch watch) : watch_(std::move(watch)) {}

  model::Connection add(const backends::Device& device, const AttachmentId& attachment, bool read_only,
                        const std::optional<model::Connection>& previous) override;
  std::string add_local(const backends::Device& device, const AttachmentId& name, bool read_only) override;
  bool answers(const model::Source&) override { return true; }
  bool stalled(const model::Source&) const override { return false; }
  void remove(const model::Source& source, const AttachmentId& attachment) override;

  // The source's daemon dies with all that it serves.
  void lose(const model::Source& source) { served_.erase(source); }
  const std::map<model::Source, std::set<AttachmentId>>& served() const { return served_; }

 private:
  void perform(std::string_view call, const model::Source& source, const std::function<void()>& work);

  const Watch watch_;
  std::map<model::Source, std::set<AttachmentId>> served_;
};

class Keys final : public keys::KeyManager {
 public:
  void create(const KeyId& id, const ProjectId&, const std::string&) override { keys_.insert(id); }
  std::string secret(const KeyId&) override { return std::string(32, 'k'); }
  void remove(const KeyId& id) override { keys_.erase(id); }

 private:
  std::set<KeyId> keys_;
};

class NoImages final : public images::ImageService, public images::Converter {
 public:
  images::Image show(const model::Actor&, const std::string& id) override { refuse(id); }
  images::Image create(const model::Actor&, const images::ImageSpec& spec) override { refuse(spec.name); }
  void download(const model::Actor&, const images::Image& image, const std::filesystem::path&,
                const images::Cancelled&) override {
    refuse(image.id);
  }
  void upload(const model::Actor&, const std::string& id, const std::filesystem::path&,
              const images::Cancelled&) override {
    refuse(id);
  }
  void remove(const model::Actor&, const std::string&) override {}
  std::uint64_t inspect(const std::filesystem::path& file, const std::string&) override { refuse(file); }
  void write_to_export(const std::filesystem::path& file, const std::string&, const std::string&,
                       const images::Cancelled&) override {
    refuse(file);
  }
  void read_from_export(const std::string& uri, const std::filesystem::path&, const std::string&,
                        const images::Cancelled&) override {
    refuse(uri);
  }

 private:
  [[noreturn]] static void refuse(const std::string& what) { throw Error(ErrorCode::NotFound, "no image: " + what); }
};

class NoObjects final : public backups::ObjectStore {
 public:
  std::string kind() const override { return "none"; }
  void put(const std::string&, std::string_view) override { throw Error(ErrorCode::Unavailable, "no object store"); }
  std::optional<std::string> get(const std::string&) override { return std::nullopt; }
  std::vector<std::string> list(const std::string&) override { return {}; }
  void remove(const std::string&) override {}
};

}  // namespace varve::sim
