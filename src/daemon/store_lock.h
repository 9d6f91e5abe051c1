// One process a store, and one store a run directory.
#pragma once

#include <filesystem>

#include "base/unique_fd.h"

namespace varve::daemon {

// Of the directory itself, which nobody removes for a stale lock, and of a file in it, for `varved doctor`.
struct DirectoryLock {
  UniqueFd directory;
  UniqueFd file;
};

// Held as long as it lives.
struct StoreLock {
  DirectoryLock store;
  DirectoryLock run;  // none when the run directory is in the store
};

// Throws Error(Unavailable) when the store is another user's. Throws Error(Unavailable) if another process has one of
// them, or the run directory is another store's: its storage daemons would be taken for ours.
StoreLock lock_store(const std::filesystem::path& directory, const std::filesystem::path& run_directory);

}  // namespace varve::daemon
