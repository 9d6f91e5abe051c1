#include "backups/directory/directory_store.h"

#include "base/check.h"
#include "base/files.h"

namespace varve::backups {

namespace fs = std::filesystem;

DirectoryStore::DirectoryStore(fs::path root) : root_(std::move(root)) {
  files::make_directory(root_);
}

fs::path DirectoryStore::file(const std::string& name) const {
  fs::path relative = fs::path(name).lexically_normal();
  VARVE_CHECK(!name.empty() && relative.is_relative() && *relative.begin() != "..",
              "an object's name leaves the store");
  return root_ / relative;
}

void DirectoryStore::put(const std::string& name, std::string_view data) {
  fs::path path = file(name);
  files::make_directory(path.parent_path());
  files::replace_atomically(path, data);
}

std::optional<std::string> DirectoryStore::get(const std::string& name) {
  fs::path path = file(name);
  if (!files::exists(path)) return std::nullopt;
  return files::read(path);
}

// Prefixes end with a slash: they are directories here.
std::vector<std::string> DirectoryStore::list(const std::string& prefix) {
  std::vector<std::string> out;
  fs::path directory = file(prefix);
  for (const fs::path& path : files::list(directory)) {
    if (fs::is_regular_file(path)) out.push_back(prefix + path.filename().string());
  }
  return out;
}

void DirectoryStore::remove(const std::string& name) {
  fs::path path = file(name);
  files::remove_durably(path);
  std::error_code not_empty;
  fs::remove(path.parent_path(), not_empty);
}

}  // namespace varve::backups
