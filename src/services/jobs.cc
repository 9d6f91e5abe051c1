#include "services/jobs.h"

#include "base/error.h"
#include "model/reason.h"

namespace varve::services {

boost::asio::awaitable<Job> Jobs::show(model::Actor actor, JobId id) const {
  Job job = co_await db_.read([&](store::Transaction& tx) {
    Job job{id, false, {}};
    std::vector<model::Task> tasks;
    if (auto one = tx.tasks().find(actor.project_id, TaskId(id.str()))) {
      tasks.push_back(std::move(*one));
    } else {
      tasks = tx.tasks().of_batch(actor.project_id, id);
      job.batch = true;
    }
    for (model::Task& task : tasks) {
      JobPart part{std::move(task), {}, {}};
      part.volume = tx.volumes().find(std::nullopt, part.task.volume_id);
      if (part.volume) {
        if (auto type = tx.volume_types().find(part.volume->volume_type_id)) part.type_name = type->name;
      }
      job.parts.push_back(std::move(part));
    }
    return job;
  });
  if (job.parts.empty()) throw Error(ErrorCode::NotFound, "There is no job " + id.str() + ".", Reason::UnknownJob);
  co_return job;
}

}  // namespace varve::services
