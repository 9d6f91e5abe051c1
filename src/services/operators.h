// What operators look at and decide: the state of services, and who uses how much.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "store/database.h"

namespace varve::services {

struct ProjectUsage {
  std::optional<ProjectId> project;  // nullopt: all of them
  store::Usage volumes;
  store::Usage snapshots;
};

class Operators {
 public:
  explicit Operators(store::Database& db) : db_(db) {}

  boost::asio::awaitable<model::ServiceState> service(std::string binary) const;
  // A disabled or frozen cinder-volume takes no new volumes: they end in `error`, with a message to their owner.
  boost::asio::awaitable<void> set_service(model::ServiceState state);

  boost::asio::awaitable<std::int64_t> provisioned(std::string pool,
                                                   bool is_default) const;     // GiB of the volumes there
  boost::asio::awaitable<std::vector<ProjectUsage>> usage_by_project() const;  // the total first

 private:
  store::Database& db_;
};

}  // namespace varve::services
