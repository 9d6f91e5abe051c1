// For those who run the service: is it alive, does it take work, what does it offer.
#pragma once

#include <functional>

#include "api/common/routes.h"
#include "backends/backend.h"
#include "services/tasks.h"
#include "store/database.h"

namespace varve::api::ops {

struct Context {
  store::Database& db;
  backends::Backend& backend;
  services::TaskRunner& tasks;
  const std::atomic<bool>& draining;
};

Tables<Context> tables();

}  // namespace varve::api::ops
