// Objects as files: `<root>/<name>`. Mode 0600/0700. A file is replaced atomically and durable when put() returns.
#pragma once

#include <filesystem>

#include "backups/object_store.h"

namespace varve::backups {

class DirectoryStore final : public ObjectStore {
 public:
  explicit DirectoryStore(std::filesystem::path root);

  std::string kind() const override { return "directory"; }
  void put(const std::string& name, std::string_view data) override;
  std::optional<std::string> get(const std::string& name) override;
  std::vector<std::string> list(const std::string& prefix) override;
  void remove(const std::string& name) override;

 private:
  std::filesystem::path file(const std::string& name) const;

  const std::filesystem::path root_;
};

}  // namespace varve::backups
