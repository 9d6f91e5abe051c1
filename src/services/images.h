// Volumes from images and images from volumes; the same rules as services/volumes.h. The bytes move in bulk tasks:
// through a file in the staging directory, which is emptied at each start.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <filesystem>
#include <optional>
#include <string>

#include "backends/backend.h"
#include "base/offload.h"
#include "images/converter.h"
#include "images/image_service.h"
#include "model/actor.h"
#include "services/exports.h"
#include "services/placement.h"
#include "services/tasks.h"

namespace varve::services {

struct UploadSpec {
  images::ImageSpec image;
  bool force = false;  // of an attached volume too: as it is when the copy begins
};

struct Upload {
  model::Volume volume;
  model::VolumeType type;
  images::Image image;
};

class Images {
 public:
  Images(store::Database& db, backends::Backend& backend, images::ImageService& service, images::Converter& converter,
         Placement& placement, Exports& exports, TaskRunner& tasks, Offload& calls, Clock& clock,
         std::filesystem::path staging);

  // An image that a volume can be made from now. Throws Error(InvalidInput) for one that is not there, not active, or
  // of a format that cannot be read.
  boost::asio::awaitable<images::Image> usable(model::Actor actor, std::string id);
  // GiB that a volume must have for the image. What only the bytes tell is looked at later.
  static std::int64_t least_size(const images::Image& image);
  // As Cinder keeps it beside the volume.
  static model::Metadata metadata_of(const images::Image& image);

  boost::asio::awaitable<Upload> upload(model::Actor actor, VolumeId id, UploadSpec spec);

  // The volume's bytes become the image's. reserved: a `reserved` volume too. Of one that fails the bytes are lost.
  boost::asio::awaitable<void> reimage(model::Actor actor, VolumeId id, std::string image, bool reserved);

  // Adds keys or gives them new values. Returns all.
  boost::asio::awaitable<model::Metadata> set_metadata(model::Actor actor, VolumeId id, model::Metadata metadata);
  boost::asio::awaitable<void> remove_metadata(model::Actor actor, VolumeId id, std::string key);

 private:
  class Staged;

  void register_tasks();
  void run_create(const model::Task& task);
  void fill(const model::Task& task, const model::Volume& volume);
  void run_upload(const model::Task& task);
  void undo_helper(const model::Task& task);
  void undo_upload(const model::Task& task);
  model::Volume volume_of(const model::Task& task);
  images::Cancelled cancelled() const;

  store::Database& db_;
  backends::Backend& backend_;
  images::ImageService& service_;
  images::Converter& converter_;
  Placement& placement_;
  Exports& exports_;
  TaskRunner& tasks_;
  Offload& calls_;  // of the image service, that a request waits for
  Clock& clock_;
  const std::filesystem::path staging_;
};

}  // namespace varve::services
