// The contract of the service that keeps images. Each call is made on behalf of an actor and sees what that user may
// see in that project. Calls block; any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "model/actor.h"
#include "model/metadata.h"

namespace varve::images {

struct Image {
  std::string id;
  std::string name;
  std::string status;  // "active": it has bytes and may be used
  std::string disk_format;
  std::string container_format;
  std::string checksum;
  std::string hash_algorithm;  // of hash: "sha512"; "": there is none
  std::string hash;
  std::int64_t size = 0;          // bytes of the file
  std::int64_t virtual_size = 0;  // bytes of the disk; 0: not known
  std::int64_t min_disk_gib = 0;
  std::int64_t min_ram_mib = 0;
  model::Metadata properties;  // what its owner added
  // Of the image that Compute makes of a server that boots from a volume: it has no bytes, this snapshot has them.
  std::optional<std::string> boot_snapshot_id;
};

struct ImageSpec {
  std::string name;
  std::string disk_format;
  std::string container_format;
  std::string visibility;  // "": as the service thinks fit
  bool is_protected = false;
  model::Metadata properties;
};

using Cancelled = std::function<bool()>;

class ImageService {
 public:
  virtual ~ImageService() = default;

  // Throws Error(NotFound) for an image that is not there for this actor, Error(Unavailable) without a service.
  virtual Image show(const model::Actor& actor, const std::string& id) = 0;

  // A record without bytes yet. Throws Error(InvalidInput) with the service's words when it refuses.
  virtual Image create(const model::Actor& actor, const ImageSpec& spec) = 0;

  // The image's bytes into the file, checked against its hash. Throws Error(BackendFailed) when they differ.
  virtual void download(const model::Actor& actor, const Image& image, const std::filesystem::path& file,
                        const Cancelled& cancelled) = 0;
  virtual void upload(const model::Actor& actor, const std::string& id, const std::filesystem::path& file,
                      const Cancelled& cancelled) = 0;

  // Nothing happens if it is gone.
  virtual void remove(const model::Actor& actor, const std::string& id) = 0;
};

}  // namespace varve::images
