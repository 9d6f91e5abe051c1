// The contract of where backups are kept: named objects, written whole. Names are made by varved ("<uuid>/…").
// Calls block; any thread. Errors: NoSpace, Unavailable (not reachable), BackendFailed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace varve::backups {

class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  virtual std::string kind() const = 0;  // "directory", "s3"

  // Durable when it returns; an object of that name is replaced.
  virtual void put(const std::string& name, std::string_view data) = 0;
  virtual std::optional<std::string> get(const std::string& name) = 0;  // nullopt: there is none
  virtual std::vector<std::string> list(const std::string& prefix) = 0;
  virtual void remove(const std::string& name) = 0;  // nothing happens if it is gone
};

}  // namespace varve::backups
