#include "daemon/object_store.h"

#include "backups/archive.h"
#include "backups/directory/directory_store.h"
#include "backups/s3/s3_store.h"

namespace varve::daemon {

std::unique_ptr<backups::ObjectStore> object_store(const Config& config) {
  if (config.backups_in_s3) return std::make_unique<backups::S3Store>(config.s3);
  return std::make_unique<backups::DirectoryStore>(config.backup_directory);
}

std::function<bool(const std::string& archive)> archive_finder(const Config& config) {
  auto objects = std::make_shared<std::unique_ptr<backups::ObjectStore>>();
  return [config, objects](const std::string& archive) {
    if (!*objects) *objects = object_store(config);
    SystemRng rng;
    backups::Archive found(**objects, archive, "", rng);
    std::optional<backups::Manifest> manifest = found.manifest();
    return manifest && !found.missing_object(*manifest);
  };
}

}  // namespace varve::daemon
