// Can the service do its work? What load balancers and operators ask.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "services/pools.h"
#include "services/tasks.h"
#include "store/database.h"

namespace varve::services {

struct Readiness {
  bool ready = false;     // the database answers and takes changes
  std::size_t tasks = 0;  // that have not ended
  Rooms pools;
};

class Health {
 public:
  Health(store::Database& db, Pools& pools, TaskRunner& tasks) : db_(db), pools_(pools), tasks_(tasks) {}

  boost::asio::awaitable<Readiness> look();

 private:
  store::Database& db_;
  Pools& pools_;
  TaskRunner& tasks_;
};

}  // namespace varve::services
