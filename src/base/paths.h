#pragma once

#include <filesystem>

namespace varve {

// Is the path the directory, or in it, whatever links lead there? Neither need be there.
bool is_within(const std::filesystem::path& path, const std::filesystem::path& directory);

}  // namespace varve
