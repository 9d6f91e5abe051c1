// Looks at a store, running or not, and tells what is not as it should be: every broken invariant with the object it is
// about, what it means for whom, and what would mend it. Changes nothing.
//
// What is in motion on a running store is looked at twice: only what is found both times is told.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/id.h"

namespace varve::recovery {

struct Finding {
  enum class Level : std::uint8_t {
    Note,     // worth knowing, nothing is wrong
    Warning,  // nobody has lost anything yet, or only room
    Error,    // somebody cannot reach their bytes
  };
  Level level = Level::Error;
  std::string kind;  // "volume", "snapshot", "attachment", "backup", "backups", "layer", "file", "key", "pool",
                     // "database", "daemon"
  std::string id;    // of the object; of a file: where it is
  std::string what;
  std::string means;
  std::string mend;
};

struct Store {
  std::filesystem::path directory;
  std::filesystem::path run_directory;
  std::filesystem::path root_key;
  std::vector<std::pair<std::string, std::filesystem::path>> pools;  // beside the default one
  std::uint64_t min_free_bytes = 0;
  bool running = false;                       // a varved serves it
  std::function<void(const KeyId&)> try_key;  // throws when the key cannot be used; called when there is a root key
  // Whether the objects of a backup are there; throws Error when that cannot be told, or when they are damaged.
  std::function<bool(const std::string& archive)> has_archive;
};

// Throws Error when the store cannot be looked at at all.
std::vector<Finding> examine_store(const Store& store);

}  // namespace varve::recovery
