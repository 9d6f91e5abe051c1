#include "services/use_cases.h"

namespace varve::services {

UseCases::UseCases(const Ground& on)
    : db(on.db),
      clock(on.clock),
      settings(on.settings),
      messages(db, clock, on.rng, settings),
      tasks(db, messages, clock, on.rng, settings, on.scheduler),
      quotas(db, settings),
      types(db, clock, on.rng, settings),
      pools(on.backend, settings, on.pool_questions),
      placement(db, on.backend, pools, on.keys),
      exports(db, on.backend, on.exporter),
      images(db, on.backend, on.images, on.converter, placement, exports, tasks, on.image_calls, clock, on.staging),
      backups(db, on.backend, on.objects, on.keys, placement, exports, tasks, on.object_calls, quotas, clock, on.rng,
              settings),
      volumes(db, on.backend, pools, exports, tasks, quotas, types, images, backups, placement, clock, on.rng,
              settings),
      groups(db, on.backend, exports, tasks, quotas, types, volumes, clock, on.rng, settings),
      group_types(db, clock, on.rng),
      type_extras(db, clock, on.rng),
      adoption(db, on.backend, pools, tasks, quotas, types, clock, on.rng, settings),
      snapshots(db, on.backend, pools, tasks, quotas, clock, on.rng, settings),
      attachments(db, exports, tasks, clock, on.rng, settings),
      tags(db, clock),
      transfers(db, quotas, clock, on.rng, settings),
      service_states(db),
      jobs(db),
      health(db, pools, tasks),
      reconciler(db, on.backend, exports, tasks, messages, clock, on.scheduler),
      explanations(db, on.backend, tasks, exports, reconciler.restorer(), messages),
      ticker(clock, on.scheduler) {
  ticker.every(settings.task_retry, "the second look at tasks", [this] { tasks.look_again(); });
}

void UseCases::start() {
  tasks.start();
  ticker.start();
  reconciler.start();
}

void UseCases::stop() {
  db.settle();
  reconciler.stop();
  ticker.stop();
  tasks.stop();
}

}  // namespace varve::services
