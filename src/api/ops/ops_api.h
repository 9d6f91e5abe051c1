// For those who run the service: is it alive, does it take work.
#pragma once

#include <functional>

#include "api/common/dispatcher.h"
#include "backends/backend.h"
#include "services/tasks.h"
#include "store/database.h"

namespace varve::api::ops {

class OpsApi {
 public:
  OpsApi(store::Database& db, backends::Backend& backend, services::TaskRunner& tasks, std::function<bool()> draining)
      : db_(db), backend_(backend), tasks_(tasks), draining_(std::move(draining)) {}

  void register_routes(Dispatcher& dispatcher);

 private:
  boost::asio::awaitable<http::Response> health(CallPtr call);  // the process answers
  // The database answers and takes changes, and nothing is shutting down; which pools have room.
  boost::asio::awaitable<http::Response> ready(CallPtr call);

  store::Database& db_;
  backends::Backend& backend_;
  services::TaskRunner& tasks_;
  std::function<bool()> draining_;
};

}  // namespace varve::api::ops
