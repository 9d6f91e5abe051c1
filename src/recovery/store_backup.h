// A copy of a whole store, taken while it is in use: a directory that is a store itself.
//
// The database first, then each volume as of some moment after that, so that everything that clients had flushed when
// the backup began is in it. At the end the copied database is made to agree with the images: what was deleted
// meanwhile is not in it, what is missing for another reason is in an error status. The directory gets its name when
// all of it is on the disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "backends/backend.h"

namespace varve::recovery {

struct BackupReport {
  std::int64_t volumes = 0;
  std::vector<std::string> failed;  // "<volume>: <why>"; they are not in the copy
};

// target: a path that is not there yet. between: called now and then; what it throws ends the backup.
BackupReport back_up_store(const std::filesystem::path& store, backends::Backend& backend,
                           const std::filesystem::path& target, const std::function<void()>& between);

}  // namespace varve::recovery
