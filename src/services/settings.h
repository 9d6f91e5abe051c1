// What an operator decides about the service; from the configuration file, constant afterwards.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace varve::services {

// How strict the service is: as easy as is safe, as EVS documents it, or with replies that are Cinder's to the letter.
enum class Profile : std::uint8_t { Open, Evs, Cinder };

struct Settings {
  Profile profile = Profile::Open;
  std::vector<std::string> availability_zones{"az-1"};  // the first is the default
  std::string default_volume_type = "GPSSD";
  std::int64_t max_volume_gib = 32768;
  std::int64_t max_snapshots_per_volume = 128;
  std::int64_t max_attachments_per_volume = 16;
  std::map<std::string, std::int64_t> default_quotas;  // by resource; -1: no limit. Missing: -1
  unsigned task_workers = 4;
  unsigned bulk_workers = 2;  // for tasks that move data: images, backups
  std::size_t task_queue_limit = 10000;
  std::chrono::seconds task_retry{20};  // until what could not be ended, or taken away, is tried again
  std::chrono::hours task_history{24};
  std::chrono::hours message_lifetime{30 * 24};
  std::chrono::seconds export_timeout{60};  // how long an attach or detach call waits for its task
  std::string host_name = "varve";          // in os-vol-host-attr:host and os-services

  // EVS allows seven manual snapshots of a disk (user guide).
  std::int64_t max_snapshots() const {
    return profile == Profile::Evs ? std::min<std::int64_t>(7, max_snapshots_per_volume) : max_snapshots_per_volume;
  }
};

}  // namespace varve::services
