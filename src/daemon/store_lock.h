// One process a store.
#pragma once

#include <filesystem>

#include "base/unique_fd.h"

namespace varve::daemon {

// Held while the descriptor lives. Throws Error(Unavailable) if another process has it.
UniqueFd lock_store(const std::filesystem::path& directory);

}  // namespace varve::daemon
