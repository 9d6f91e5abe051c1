// Tags of volumes and snapshots: key-value pairs by which users find them. Rules of EVS ("Tag Management"): at most 10
// of a resource; keys of 1 to 36, values of up to 43 characters of digits, letters, '-' and '_'.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/actor.h"
#include "store/database.h"

namespace varve::services {

inline constexpr std::size_t kMaxTags = 10;

// Throws Error(InvalidInput) naming the tag.
void require_tags(const model::Metadata& tags);

enum class Tagged : std::uint8_t { Volumes, Snapshots };

// The values that each key has anywhere in a project.
using TagValues = std::map<std::string, std::set<std::string>>;

class Tags {
 public:
  Tags(store::Database& db, Clock& clock) : db_(db), clock_(clock) {}

  boost::asio::awaitable<model::Metadata> show(model::Actor actor, Tagged kind, std::string id) const;
  // merge: those given are added or overwritten. Returns all of them.
  boost::asio::awaitable<model::Metadata> set(model::Actor actor, Tagged kind, std::string id, model::Metadata tags,
                                              bool merge);
  // Keys that are not there: Error(NotFound) if strict, else nothing happens.
  boost::asio::awaitable<void> remove(model::Actor actor, Tagged kind, std::string id, std::vector<std::string> keys,
                                      bool strict);
  // Every key of the project with all its values.
  boost::asio::awaitable<TagValues> all(model::Actor actor, Tagged kind) const;

 private:
  boost::asio::awaitable<model::Metadata> change(model::Actor actor, Tagged kind, std::string id,
                                                 std::function<void(model::Metadata&)> apply);

  store::Database& db_;
  Clock& clock_;
};

}  // namespace varve::services
