#include "services/quotas.h"

#include "base/error.h"
#include "model/reason.h"

namespace varve::services {

namespace {

const std::string kPlain[] = {"volumes", "per_volume_gigabytes", "snapshots", "gigabytes",
                              "backups", "backup_gigabytes",     "groups"};
const std::string kPerType[] = {"volumes", "gigabytes", "snapshots"};
const ProjectId kDefaults("");

bool is_known(store::Transaction& tx, const std::string& resource) {
  for (const std::string& name : kPlain) {
    if (name == resource) return true;
  }
  for (const model::VolumeType& type : tx.volume_types().all()) {
    for (const std::string& name : kPerType) {
      if (name + "_" + type.name == resource) return true;
    }
  }
  return false;
}

[[noreturn]] void over(std::string message, Reason reason) {
  throw Error(ErrorCode::OverQuota, std::move(message), reason);
}

}  // namespace

// The limits of one project: its own, else the changed defaults, else the configured ones.
class Quotas::Limits {
 public:
  Limits(store::Transaction& tx, const ProjectId& project, const Settings& settings)
      : own_(tx.quotas().overrides(project)), changed_(tx.quotas().overrides(kDefaults)), settings_(settings) {}

  std::int64_t of(const std::string& resource) const {
    for (const auto* limits : {&own_, &changed_, &settings_.default_quotas}) {
      auto found = limits->find(resource);
      if (found != limits->end()) return found->second;
    }
    return -1;
  }

 private:
  std::map<std::string, std::int64_t> own_;
  std::map<std::string, std::int64_t> changed_;
  const Settings& settings_;
};

QuotaSet Quotas::collect(store::Transaction& tx, const ProjectId& project, bool with_use) const {
  Limits limits(tx, project, settings_);
  QuotaSet set;
  auto put = [&](const std::string& name, std::int64_t in_use) {
    set.emplace_back(name, QuotaUse{limits.of(name), in_use});
  };
  store::Usage volumes;
  store::Usage snapshots;
  store::Usage backups;
  std::int64_t groups = 0;
  if (with_use) {
    backups = tx.backups().usage(project);
    groups = tx.groups().count(project);
    volumes = tx.volumes().usage(project, std::nullopt);
    snapshots = tx.snapshots().usage(project, std::nullopt);
  }
  for (const std::string& name : kPlain) {
    std::int64_t in_use = name == "volumes"            ? volumes.count
                          : name == "snapshots"        ? snapshots.count
                          : name == "gigabytes"        ? volumes.gib + snapshots.gib
                          : name == "backups"          ? backups.count
                          : name == "backup_gigabytes" ? backups.gib
                          : name == "groups"           ? groups
                                                       : 0;
    put(name, in_use);
  }
  for (const model::VolumeType& type : tx.volume_types().all()) {
    if (with_use) {
      volumes = tx.volumes().usage(project, type.id);
      snapshots = tx.snapshots().usage(project, type.id);
    }
    put("volumes_" + type.name, volumes.count);
    put("gigabytes_" + type.name, volumes.gib + snapshots.gib);
    put("snapshots_" + type.name, snapshots.count);
  }
  return set;
}

boost::asio::awaitable<QuotaSet> Quotas::show(ProjectId project, bool with_use) const {
  co_return co_await db_.read([&](store::Transaction& tx) { return collect(tx, project, with_use); });
}

boost::asio::awaitable<QuotaSet> Quotas::defaults() const {
  return show(kDefaults, false);
}

boost::asio::awaitable<std::vector<ProjectUsage>> Quotas::usage_by_project() const {
  co_return co_await db_.read([&](store::Transaction& tx) {
    std::vector<ProjectUsage> out{{std::nullopt, tx.volumes().usage(std::nullopt, std::nullopt),
                                   tx.snapshots().usage(std::nullopt, std::nullopt)}};
    std::map<ProjectId, store::Usage> snapshots = tx.snapshots().usage_by_project();
    for (const auto& [project, volumes] : tx.volumes().usage_by_project()) {
      out.push_back({project, volumes, snapshots[project]});
    }
    return out;
  });
}

boost::asio::awaitable<void> Quotas::update(ProjectId project, std::map<std::string, std::int64_t> limits) {
  co_await db_.write([&](store::Transaction& tx) {
    for (const auto& [resource, limit] : limits) {
      if (!is_known(tx, resource)) {
        throw Error(ErrorCode::InvalidInput,
                    "Bad key in quota set: '" + resource + "' is not a resource that has a quota.");
      }
      if (limit < -1) {
        throw Error(ErrorCode::InvalidInput, "Invalid input for field/attribute " + resource + ". Value: " +
                                                 std::to_string(limit) + ". It is less than the minimum of -1");
      }
      tx.quotas().set(project, resource, limit);
    }
  });
}

boost::asio::awaitable<void> Quotas::reset(ProjectId project) {
  co_await db_.write([&](store::Transaction& tx) { tx.quotas().clear(project); });
}

namespace {

using TypeId = std::optional<VolumeTypeId>;

void require_gigabytes(store::Transaction& tx, const ProjectId& project, std::int64_t limit,
                       const std::string& resource, const TypeId& type, std::int64_t gib) {
  if (limit < 0) return;
  std::int64_t used = tx.volumes().usage(project, type).gib + tx.snapshots().usage(project, type).gib;
  if (used + gib <= limit) return;
  over("VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed " + resource +
           " quota. Requested " + std::to_string(gib) + "G, quota is " + std::to_string(limit) + "G and " +
           std::to_string(used) + "G has been consumed.",
       Reason::GigabytesQuota);
}

void require_count(std::int64_t limit, std::int64_t used, const char* what, const std::string& resource) {
  if (used + 1 <= limit) return;
  bool volumes = std::string_view(what) == "volumes";
  over(std::string(volumes ? "VolumeLimitExceeded" : "SnapshotLimitExceeded") + ": Maximum number of " + what +
           " allowed (" + std::to_string(limit) + ") exceeded for quota '" + resource + "'.",
       volumes ? Reason::VolumeQuota : Reason::None);
}

}  // namespace

void Quotas::require_volume(store::Transaction& tx, const ProjectId& project, const model::VolumeType& type,
                            std::int64_t gib) const {
  Limits limits(tx, project, settings_);
  if (std::int64_t limit = limits.of("volumes"); limit >= 0) {
    require_count(limit, tx.volumes().usage(project, std::nullopt).count, "volumes", "volumes");
  }
  require_gigabytes(tx, project, limits.of("gigabytes"), "gigabytes", std::nullopt, gib);
  require_volume_of_type(tx, project, type, gib);
  if (std::int64_t limit = limits.of("per_volume_gigabytes"); limit >= 0 && gib > limit) {
    over("VolumeSizeExceedsLimit: Requested volume size " + std::to_string(gib) +
             "G is larger than maximum allowed limit " + std::to_string(limit) + "G.",
         Reason::GigabytesQuota);
  }
}

void Quotas::require_volume_of_type(store::Transaction& tx, const ProjectId& project, const model::VolumeType& type,
                                    std::int64_t gib) const {
  Limits limits(tx, project, settings_);
  std::string resource = "volumes_" + type.name;
  if (std::int64_t limit = limits.of(resource); limit >= 0) {
    require_count(limit, tx.volumes().usage(project, type.id).count, "volumes", resource);
  }
  require_gigabytes(tx, project, limits.of("gigabytes_" + type.name), "gigabytes_" + type.name, type.id, gib);
}

void Quotas::require_growth(store::Transaction& tx, const ProjectId& project, const model::VolumeType& type,
                            std::int64_t new_gib, std::int64_t by_gib) const {
  Limits limits(tx, project, settings_);
  if (std::int64_t limit = limits.of("per_volume_gigabytes"); limit >= 0 && new_gib > limit) {
    over("VolumeSizeExceedsLimit: Requested volume size " + std::to_string(new_gib) +
             "G is larger than maximum allowed limit " + std::to_string(limit) + "G.",
         Reason::GigabytesQuota);
  }
  require_gigabytes(tx, project, limits.of("gigabytes"), "gigabytes", std::nullopt, by_gib);
  require_gigabytes(tx, project, limits.of("gigabytes_" + type.name), "gigabytes_" + type.name, type.id, by_gib);
}

void Quotas::require_snapshot(store::Transaction& tx, const ProjectId& project, const model::VolumeType& type,
                              std::int64_t gib) const {
  Limits limits(tx, project, settings_);
  if (std::int64_t limit = limits.of("snapshots"); limit >= 0) {
    require_count(limit, tx.snapshots().usage(project, std::nullopt).count, "snapshots", "snapshots");
  }
  std::string resource = "snapshots_" + type.name;
  if (std::int64_t limit = limits.of(resource); limit >= 0) {
    require_count(limit, tx.snapshots().usage(project, type.id).count, "snapshots", resource);
  }
  require_gigabytes(tx, project, limits.of("gigabytes"), "gigabytes", std::nullopt, gib);
  require_gigabytes(tx, project, limits.of("gigabytes_" + type.name), "gigabytes_" + type.name, type.id, gib);
}

void Quotas::require_backup(store::Transaction& tx, const ProjectId& project, std::int64_t gib) const {
  Limits limits(tx, project, settings_);
  store::Usage used = tx.backups().usage(project);
  if (std::int64_t limit = limits.of("backups"); limit >= 0 && used.count + 1 > limit) {
    over("BackupLimitExceeded: Maximum number of backups allowed (" + std::to_string(limit) + ") exceeded.",
         Reason::None);
  }
  if (std::int64_t limit = limits.of("backup_gigabytes"); limit >= 0 && used.gib + gib > limit) {
    over("VolumeBackupSizeExceedsAvailableQuota: Requested backup exceeds allowed Backup gigabytes quota. Requested " +
             std::to_string(gib) + "G, quota is " + std::to_string(limit) + "G and " + std::to_string(used.gib) +
             "G has been consumed.",
         Reason::None);
  }
}

void Quotas::require_group(store::Transaction& tx, const ProjectId& project) const {
  Limits limits(tx, project, settings_);
  if (std::int64_t limit = limits.of("groups"); limit >= 0 && tx.groups().count(project) + 1 > limit) {
    over("GroupLimitExceeded: Maximum number of groups allowed (" + std::to_string(limit) + ") exceeded.",
         Reason::None);
  }
}

}  // namespace varve::services
