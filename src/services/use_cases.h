// All use cases and what works beside them, put together over what they stand on: in varved by daemon/app.cc, in the
// simulator by tests/sim.
#pragma once

#include <cstddef>
#include <filesystem>

#include "base/offload.h"
#include "base/scheduler.h"
#include "base/ticker.h"
#include "services/adoption.h"
#include "services/attachments.h"
#include "services/backups.h"
#include "services/explanations.h"
#include "services/group_types.h"
#include "services/groups.h"
#include "services/health.h"
#include "services/images.h"
#include "services/jobs.h"
#include "services/messages.h"
#include "services/placement.h"
#include "services/pools.h"
#include "services/quotas.h"
#include "services/reconciler.h"
#include "services/service_states.h"
#include "services/snapshots.h"
#include "services/tags.h"
#include "services/transfers.h"
#include "services/type_extras.h"
#include "services/volume_types.h"
#include "services/volumes.h"

namespace varve::services {

// Outlives them.
struct Ground {
  store::Database& db;
  backends::Backend& backend;
  exports::Exporter& exporter;
  keys::KeyManager& keys;
  images::ImageService& images;
  images::Converter& converter;
  backups::ObjectStore& objects;
  Offload& image_calls;
  Offload& object_calls;
  Clock& clock;
  Rng& rng;
  Scheduler& scheduler;
  const Settings& settings;
  std::filesystem::path staging;   // of images that are moved
  std::size_t pool_questions = 2;  // at once; 0: as for base/offload.h
};

struct UseCases {
  explicit UseCases(const Ground& ground);

  // Takes over what an earlier process left, then works. Duties of others may be given to the ticker before.
  void start();
  // After the last request. What has begun ends; what waits goes on at the next start.
  void stop();

  store::Database& db;
  Clock& clock;
  const Settings& settings;
  Messages messages;
  TaskRunner tasks;
  Quotas quotas;
  VolumeTypes types;
  Pools pools;
  Placement placement;
  Exports exports;
  Images images;
  Backups backups;
  Volumes volumes;
  Groups groups;
  GroupTypes group_types;
  TypeExtras type_extras;
  Adoption adoption;
  Snapshots snapshots;
  Attachments attachments;
  Tags tags;
  Transfers transfers;
  ServiceStates service_states;
  Jobs jobs;
  Health health;
  Reconciler reconciler;
  Explanations explanations;
  Ticker ticker;
};

}  // namespace varve::services
