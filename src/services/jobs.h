// Jobs: the tasks that clients asked for, as they look at them. A job is one task, or the batch of one call. Ended ones
// are kept for Settings::task_history.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "model/actor.h"
#include "store/database.h"

namespace varve::services {

struct JobPart {
  model::Task task;
  std::optional<model::Volume> volume;  // while it exists
  std::string type_name;
};

struct Job {
  JobId id;
  bool batch = false;
  std::vector<JobPart> parts;  // one, or those of the batch
};

class Jobs {
 public:
  explicit Jobs(store::Database& db) : db_(db) {}

  // Throws Error(NotFound) for one of another project too.
  boost::asio::awaitable<Job> show(model::Actor actor, JobId id) const;

 private:
  store::Database& db_;
};

}  // namespace varve::services
