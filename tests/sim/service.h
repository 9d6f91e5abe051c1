// The middle of varved, put together as daemon/app.cc does it: what a crash takes away and a start makes anew.
#pragma once

#include <filesystem>
#include <memory>

#include "base/offload.h"
#include "base/ticker.h"
#include "fakes.h"
#include "services/attachments.h"
#include "services/groups.h"
#include "services/reconciler.h"
#include "services/snapshots.h"
#include "services/transfers.h"
#include "services/volumes.h"

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

class Service {
 public:
  explicit Service(const Surroundings& around)
      : around_(around),
        db_(store::open_sqlite(around.database, 10000, around.scheduler)),
        messages_(*db_, around.clock, around.rng, around_.settings),
        tasks_(*db_, messages_, around.clock, around.rng, around_.settings, around.scheduler),
        quotas_(*db_, around_.settings),
        types_(*db_, around.clock, around.rng, around_.settings),
        pools_(around.backend, around_.settings, 0),
        placing_(*db_, around.backend, pools_, around.keys),
        exports_(*db_, around.backend, around.exporter),
        images_(*db_, around.backend, around.images, around.images, placing_, exports_, tasks_, around.calls,
                around.clock, around.database.parent_path() / "staging"),
        backups_(*db_, around.backend, around.objects, around.keys, placing_, exports_, tasks_, around.calls, quotas_,
                 around.clock, around.rng, around_.settings),
        volumes_(*db_, around.backend, pools_, exports_, tasks_, quotas_, types_, images_, backups_, placing_,
                 around.clock, around.rng, around_.settings),
        groups_(*db_, around.backend, exports_, tasks_, quotas_, types_, volumes_, around.clock, around.rng,
                around_.settings),
        snapshots_(*db_, around.backend, pools_, tasks_, quotas_, around.clock, around.rng, around_.settings),
        attachments_(*db_, exports_, tasks_, around.clock, around.rng, around_.settings),
        transfers_(*db_, quotas_, around.clock, around.rng, around_.settings),
        reconciler_(*db_, around.backend, exports_, tasks_, messages_, around.clock, around.scheduler) {
    ticker_.every(around_.settings.task_retry, "the second look at tasks", [this] { tasks_.look_again(); });
  }

  void start() {
    tasks_.start();
    ticker_.start();
    reconciler_.start();
  }
  void stop() {
    db_->settle();
    reconciler_.stop();
    ticker_.stop();
    tasks_.stop();
  }

  store::Database& db() { return *db_; }
  services::TaskRunner& tasks() { return tasks_; }
  services::Quotas& quotas() { return quotas_; }
  services::Volumes& volumes() { return volumes_; }
  services::Groups& groups() { return groups_; }
  services::Snapshots& snapshots() { return snapshots_; }
  services::Attachments& attachments() { return attachments_; }
  services::Transfers& transfers() { return transfers_; }
  const services::Restorer& restorer() const { return reconciler_.restorer(); }

 private:
  const Surroundings around_;
  std::unique_ptr<store::Database> db_;
  services::Messages messages_;
  services::TaskRunner tasks_;
  services::Quotas quotas_;
  services::VolumeTypes types_;
  services::Pools pools_;
  services::Placing placing_;
  services::Exports exports_;
  services::Images images_;
  services::Backups backups_;
  services::Volumes volumes_;
  services::Groups groups_;
  services::Snapshots snapshots_;
  services::Attachments attachments_;
  services::Transfers transfers_;
  services::Reconciler reconciler_;
  Ticker ticker_{around_.clock, around_.scheduler};
};

}  // namespace varve::sim
