// For those who run the service: is it alive, does it take work, what does it offer.
#pragma once

#include <atomic>

#include "api/common/routes.h"
#include "services/health.h"
#include "services/pools.h"

namespace varve::api::ops {

struct Context {
  services::Health& health;
  const services::Pools& pools;
  const std::atomic<bool>& draining;
};

Tables<Context> tables();

}  // namespace varve::api::ops
