#include "services/use_cases.h"

#include <utility>

namespace varve::services {

UseCases::UseCases(const Ground& on)
    : db_(on.db),
      clock(on.clock),
      settings(on.settings),
      messages(db_, clock, on.rng, settings),
      tasks_(db_, messages, clock, on.rng, settings, on.scheduler),
      quotas(db_, settings),
      types(db_, clock, on.rng, settings),
      pools(on.backend, settings, on.pool_questions),
      placement_(db_, on.backend, pools, on.keys, on.needs_key),
      exports_(db_, on.backend, on.exporter),
      images(db_, on.backend, on.images, on.converter, placement_, exports_, tasks_, on.image_calls, clock, on.staging),
      backups(db_, on.backend, on.objects, on.keys, placement_, exports_, tasks_, on.object_calls, quotas, clock,
              on.rng, settings),
      volumes(db_, on.backend, pools, exports_, tasks_, quotas, types, images, backups, placement_, clock, on.rng,
              settings),
      groups(db_, on.backend, exports_, tasks_, quotas, types, volumes, clock, on.rng, settings),
      group_types(db_, clock, on.rng),
      type_extras(db_, clock, on.rng),
      adoption(db_, on.backend, pools, tasks_, quotas, types, clock, on.rng, settings),
      snapshots(db_, on.backend, pools, tasks_, quotas, clock, on.rng, settings),
      attachments(db_, exports_, tasks_, clock, on.rng, settings),
      tags(db_, clock),
      transfers(db_, quotas, clock, on.rng, settings),
      service_states(db_),
      jobs(db_),
      health(db_, pools, tasks_),
      reconciler_(db_, on.backend, exports_, tasks_, messages, clock, on.scheduler),
      explanations(db_, on.backend, tasks_, exports_, reconciler_.restorer(), messages),
      ticker_(clock, on.scheduler) {
  ticker_.every(settings.task_retry, "the second look at tasks", [this] { tasks_.look_again(); });
}

void UseCases::start() {
  tasks_.start();
  ticker_.start();
  reconciler_.start();
}

void UseCases::every(std::chrono::seconds period, std::string what, std::function<void()> duty) {
  ticker_.every(period, std::move(what), std::move(duty));
}

void UseCases::stop() {
  db_.settle();
  reconciler_.stop();
  ticker_.stop();
  tasks_.stop();
}

}  // namespace varve::services
