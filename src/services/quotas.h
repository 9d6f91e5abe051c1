// What a project may use. Use is computed by SQL in the transaction that consumes it and never counted anywhere else.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/actor.h"
#include "services/settings.h"
#include "store/database.h"

namespace varve::services {

struct QuotaUse {
  std::int64_t limit = -1;  // -1: none
  std::int64_t in_use = 0;
};

// By resource, in the order Cinder shows them.
using QuotaSet = std::vector<std::pair<std::string, QuotaUse>>;

struct ProjectUsage {
  std::optional<ProjectId> project;  // nullopt: all of them
  store::Usage volumes;
  store::Usage snapshots;
};

class Quotas {
 public:
  Quotas(store::Database& db, const Settings& settings) : db_(db), settings_(settings) {}

  boost::asio::awaitable<QuotaSet> show(ProjectId project, bool with_use) const;
  boost::asio::awaitable<QuotaSet> defaults() const;
  boost::asio::awaitable<std::vector<ProjectUsage>> usage_by_project() const;  // the total first
  // Unknown resources and limits below -1 throw Error(InvalidInput); project "" sets the defaults.
  boost::asio::awaitable<void> update(ProjectId project, std::map<std::string, std::int64_t> limits);
  boost::asio::awaitable<void> reset(ProjectId project);

  // In the transaction that adds them. Throws Error(OverQuota) with Cinder's wording.
  void require_volume(store::Transaction& tx, const ProjectId& project, const model::VolumeType& type,
                      std::int64_t gib) const;
  // A volume that changes its type uses the quota of the new type only.
  void require_volume_of_type(store::Transaction& tx, const ProjectId& project, const model::VolumeType& type,
                              std::int64_t gib) const;
  void require_growth(store::Transaction& tx, const ProjectId& project, const model::VolumeType& type,
                      std::int64_t new_gib, std::int64_t by_gib) const;
  void require_backup(store::Transaction& tx, const ProjectId& project, std::int64_t gib) const;
  void require_group(store::Transaction& tx, const ProjectId& project) const;
  void require_snapshot(store::Transaction& tx, const ProjectId& project, const model::VolumeType& type,
                        std::int64_t gib) const;

 private:
  class Limits;
  QuotaSet collect(store::Transaction& tx, const ProjectId& project, bool with_use) const;

  store::Database& db_;
  const Settings& settings_;
};

}  // namespace varve::services
