// For those who run the service: is it alive, does it take work.
#pragma once

#include <functional>

#include "api/common/dispatcher.h"
#include "services/tasks.h"
#include "store/database.h"

namespace varve::api::ops {

class OpsApi {
 public:
  OpsApi(store::Database& db, services::TaskRunner& tasks, std::function<bool()> draining)
      : db_(db), tasks_(tasks), draining_(std::move(draining)) {}

  void register_routes(Dispatcher& dispatcher);

 private:
  boost::asio::awaitable<http::Response> health(CallPtr call);  // the process answers
  boost::asio::awaitable<http::Response> ready(CallPtr call);   // the store answers and nothing is shutting down

  store::Database& db_;
  services::TaskRunner& tasks_;
  std::function<bool()> draining_;
};

}  // namespace varve::api::ops
