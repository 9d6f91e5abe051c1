// Files that must survive a power cut. Every function throws Error(NoSpace) when the disk is full, Error(Unavailable)
// when it is read-only and Error(BackendFailed) for any other fault, naming the path.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace varve::files {

// What an errno of the file system means; what: what was tried.
Error fault_of(int number, const std::string& what);

// Mode 0700, parents too; nothing happens to a directory that is there.
void make_directory(const std::filesystem::path& path);

// Afterwards the file has either its old content or the whole new one, whatever happens meanwhile. Mode 0600.
// A throw leaves no temporary file; a crash may leave `<path>.new`.
void replace_atomically(const std::filesystem::path& path, std::string_view content);

std::string read(const std::filesystem::path& path);

// False only when it is certain that there is nothing; what cannot be examined throws.
bool exists(const std::filesystem::path& path);
// The same of what a link leads to: none that leads nowhere.
bool is_directory(const std::filesystem::path& path);

// What is in the directory; nothing when it is certain that it is not there.
std::vector<std::filesystem::path> list(const std::filesystem::path& directory);

// Over what may have that name.
void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to);

// Removes the file if it is there and makes that durable.
void remove_durably(const std::filesystem::path& path);

// Makes the creation, renaming or removal of the directory's entries durable.
void sync_directory(const std::filesystem::path& path);

// Bytes that the file occupies on the disk (0 if it is not there).
std::uint64_t allocated_bytes(const std::filesystem::path& path);

struct Space {
  std::uint64_t total = 0;
  std::uint64_t available = 0;
  bool read_only = false;
};
Space space(const std::filesystem::path& path);

}  // namespace varve::files
