// All use cases and what works beside them, put together over what they stand on: in varved by daemon/app.cc, in the
// simulator by tests/sim.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>

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
  // Whether something needs a key of which neither a row nor the backend knows; empty: nothing does.
  std::function<bool(const KeyId&)> needs_key;
};

// What a dialect of the API may ask for is public; what the use cases stand on is theirs, and whoever plays with them
// (tests/sim). Each is made after what it needs.
class UseCases {
 public:
  explicit UseCases(const Ground& ground);

  // Takes over what an earlier process left, then works.
  void start();
  // After the last request. What has begun ends; what waits goes on at the next start.
  void stop();
  // A duty of others, from the start on; before it.
  void every(std::chrono::seconds period, std::string what, std::function<void()> duty);

 protected:
  store::Database& db_;

 public:
  Clock& clock;
  const Settings& settings;
  Messages messages;

 protected:
  TaskRunner tasks_;

 public:
  Quotas quotas;
  VolumeTypes types;
  Pools pools;

 protected:
  Placement placement_;
  Exports exports_;

 public:
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

 protected:
  Reconciler reconciler_;

 public:
  Explanations explanations;

 protected:
  Ticker ticker_;
};

}  // namespace varve::services
