// VARVE_CHECK(condition, message): for our own bugs, in every build. Input is never checked with it: that throws
// varve::Error.
#pragma once

#include <string_view>

namespace varve {

// Logs to stderr and aborts: a broken invariant must not reach a disk.
[[noreturn]] void check_failed(std::string_view condition, std::string_view message, const char* file, int line);

}  // namespace varve

#define VARVE_CHECK(condition, message)                                 \
  do {                                                                  \
    if (!(condition)) [[unlikely]]                                      \
      ::varve::check_failed(#condition, (message), __FILE__, __LINE__); \
  } while (false)
