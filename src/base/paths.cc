#include "base/paths.h"

#include <algorithm>

namespace varve {

namespace fs = std::filesystem;

namespace {

fs::path real(const fs::path& path) {
  std::error_code unknown;
  fs::path out = fs::weakly_canonical(path, unknown);
  return unknown ? fs::absolute(path).lexically_normal() : out;
}

}  // namespace

bool is_within(const fs::path& path, const fs::path& directory) {
  fs::path inner = real(path);
  fs::path outer = real(directory);
  return std::ranges::mismatch(outer, inner).in1 == outer.end();
}

}  // namespace varve
