// Where the configuration says that backups are kept.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "backups/object_store.h"
#include "daemon/config.h"

namespace varve::daemon {

std::unique_ptr<backups::ObjectStore> object_store(const Config& config);

// Whether an archive is there with all the objects that it needs. Throws Error when that cannot be told, or when its
// manifest is damaged.
std::function<bool(const std::string& archive)> archive_finder(const Config& config);

}  // namespace varve::daemon
