#pragma once

#include <functional>
#include <string>

#include "http/client.h"
#include "images/image_service.h"

namespace varve::images {

struct GlanceConfig {
  std::string endpoint;  // "http://host:9292", without a slash and a version at the end; "": there is no service
  http::ClientConfig client;
};

// A token that stands for the actor, good for as long as a transfer takes to begin.
using TokenSource = std::function<std::string(const model::Actor&)>;

class Glance final : public ImageService {
 public:
  Glance(GlanceConfig config, TokenSource token)
      : config_(std::move(config)), token_(std::move(token)), client_(config_.client) {}

  Image show(const model::Actor& actor, const std::string& id) override;
  Image create(const model::Actor& actor, const ImageSpec& spec) override;
  void download(const model::Actor& actor, const Image& image, const std::filesystem::path& file,
                const Cancelled& cancelled) override;
  void upload(const model::Actor& actor, const std::string& id, const std::filesystem::path& file,
              const Cancelled& cancelled) override;
  void remove(const model::Actor& actor, const std::string& id) override;

 private:
  http::ClientRequest request(const model::Actor& actor, const char* method, const std::string& path) const;

  const GlanceConfig config_;
  const TokenSource token_;
  const http::Client client_;
};

}  // namespace varve::images
