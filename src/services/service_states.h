// The parts of the service as operators see and set them: disabled, frozen, and how much a pool has promised.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "store/database.h"

namespace varve::services {

class ServiceStates {
 public:
  explicit ServiceStates(store::Database& db) : db_(db) {}

  boost::asio::awaitable<model::ServiceState> service(std::string binary) const;
  // A disabled or frozen cinder-volume takes no new volumes: they end in `error`, with a message to their owner.
  boost::asio::awaitable<void> set_service(model::ServiceState state);

  // GiB of the volumes there.
  boost::asio::awaitable<std::int64_t> provisioned(std::string pool, bool is_default) const;

 private:
  store::Database& db_;
};

}  // namespace varve::services
