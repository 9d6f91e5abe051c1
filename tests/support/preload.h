// What libraries share that are preloaded into varved and its storage daemons: the functions that they stand before,
// and the files that a call means.
#pragma once

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <climits>
#include <cstdarg>
#include <string>

namespace preload {

template <class F>
F* next(F* /*the interposed function*/, const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

inline std::string path_of(int fd) {
  char path[PATH_MAX];
  ssize_t length = readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path, sizeof path);
  return {path, length > 0 ? static_cast<std::size_t>(length) : 0};
}

inline std::string absolute(int directory, const char* path) {
  if (*path == '/') return path;
  char here[PATH_MAX];
  return (directory == AT_FDCWD ? (getcwd(here, sizeof here) ? here : "") : path_of(directory)) + "/" + path;
}

inline mode_t mode_of(int flags, va_list arguments) {
  return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

}  // namespace preload

// The function behind the one that is interposed here.
#define REAL(function)                                          \
  (*[] {                                                        \
    static auto* found = preload::next(&::function, #function); \
    return found;                                               \
  }())

// The last argument of open, when there is one.
#define MODE_OF_CALL                                \
  va_list arguments;                                \
  va_start(arguments, flags);                       \
  mode_t mode = preload::mode_of(flags, arguments); \
  va_end(arguments)
