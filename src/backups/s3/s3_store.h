// Objects in a bucket of an S3-compatible store (`<endpoint>/<bucket>/<prefix><name>`). The bucket must be there.
#pragma once

#include <string>

#include "backups/object_store.h"
#include "http/client.h"

namespace varve::backups {

struct S3Config {
  std::string endpoint;  // "https://s3.example.org", without a slash at the end
  std::string bucket;
  std::string prefix;  // "" or with a slash at the end
  std::string region = "us-east-1";
  std::string access_key;
  std::string secret_key;
  http::ClientConfig client;
};

class S3Store final : public ObjectStore {
 public:
  explicit S3Store(S3Config config) : config_(std::move(config)), client_(config_.client) {}

  std::string kind() const override { return "s3"; }
  void put(const std::string& name, std::string_view data) override;
  std::optional<std::string> get(const std::string& name) override;
  std::vector<std::string> list(const std::string& prefix) override;
  void remove(const std::string& name) override;

 private:
  http::ClientRequest request(const std::string& method, const std::string& path_and_query,
                              std::string_view body) const;
  std::string path(const std::string& name) const;

  const S3Config config_;
  const http::Client client_;
};

}  // namespace varve::backups
