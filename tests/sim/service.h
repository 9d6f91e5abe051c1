// What a crash takes away and a start makes anew: the database's connection and all use cases.
#pragma once

#include <filesystem>
#include <memory>

#include "fakes.h"
#include "services/use_cases.h"

namespace varve::sim {

// What outlives the process.
struct Surroundings {
  std::filesystem::path database;
  fake::FakeBackend& backend;
  Exporter& exporter;
  Keys& keys;
  NoImages& images;
  NoObjects& objects;
  Offload& calls;
  ManualClock& clock;
  Rng& rng;
  Scheduler& scheduler;
  services::Settings settings;
};

struct Opened {
  explicit Opened(const Surroundings& all)
      : around(all), database(store::open_sqlite(around.database, 10000, around.scheduler)) {}
  const Surroundings around;
  const std::unique_ptr<store::Database> database;
};

class Service : Opened, public services::UseCases {
 public:
  explicit Service(const Surroundings& all)
      : Opened(all),
        UseCases({.db = *database,
                  .backend = around.backend,
                  .exporter = around.exporter,
                  .keys = around.keys,
                  .images = around.images,
                  .converter = around.images,
                  .objects = around.objects,
                  .image_calls = around.calls,
                  .object_calls = around.calls,
                  .clock = around.clock,
                  .rng = around.rng,
                  .scheduler = around.scheduler,
                  .settings = around.settings,
                  .staging = around.database.parent_path() / "staging",
                  .pool_questions = 0,
                  .needs_key = {}}) {}

  store::Database& db() { return *database; }
  services::TaskRunner& tasks() { return tasks_; }
  services::Reconciler& reconciler() { return reconciler_; }
};

}  // namespace varve::sim
