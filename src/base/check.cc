#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace varve {

void check_failed(std::string_view condition, std::string_view message, const char* file, int line) {
  std::fprintf(stderr, "varved: broken invariant: %.*s (%.*s) at %s:%d\n", static_cast<int>(condition.size()),
               condition.data(), static_cast<int>(message.size()), message.data(), file, line);
  std::abort();
}

}  // namespace varve
