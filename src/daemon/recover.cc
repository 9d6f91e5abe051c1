#include "daemon/recover.h"

#include <boost/json.hpp>
#include <cstdio>

#include "base/log.h"
#include "daemon/object_store.h"
#include "daemon/store_lock.h"

namespace varve::daemon {

namespace json = boost::json;

namespace {

std::string_view name_of(const recovery::Report& report) {
  switch (report.condition) {
    case recovery::Condition::Healthy:
      return "sound";
    case recovery::Condition::Damaged:
      return "damaged";
    default:
      return "missing";
  }
}

std::int64_t saved_rows(const recovery::Report& report) {
  std::int64_t rows = 0;
  for (const auto& [table, count] : report.saved) rows += count;
  return rows;
}

json::array list(const std::vector<std::string>& ids) {
  return json::array(ids.begin(), ids.end());
}

void print_json(const recovery::Report& report, bool dry_run) {
  json::object saved;
  for (const auto& [table, count] : report.saved) saved[table] = count;
  const recovery::Restored& restored = report.restored;
  json::object out{{"database", name_of(report)},
                   {"damage", report.damage},
                   {"dry_run", dry_run},
                   {"kept", report.kept.string()},
                   {"saved", std::move(saved)},
                   {"dangling", report.dangling},
                   {"catalogue", restored.catalogue},
                   {"volumes", list(restored.volumes)},
                   {"undescribed", list(restored.undescribed)},
                   {"snapshots", list(restored.snapshots)},
                   {"attachments", list(restored.attachments)},
                   {"backups", list(restored.backups)},
                   {"without_bytes", list(restored.without_bytes)},
                   {"projects", list(restored.projects)},
                   {"types", list(restored.types)}};
  std::puts(json::serialize(out).c_str());
}

void print_text(const recovery::Report& report, bool dry_run) {
  auto line = [](const char* what, const std::vector<std::string>& ids) {
    for (const std::string& id : ids) std::printf("  %s %s\n", what, id.c_str());
  };
  if (dry_run) std::puts("nothing is changed; a recovery would do this:");
  std::printf("the database is %s\n", std::string(name_of(report)).c_str());
  if (!report.damage.empty()) std::printf("  %s\n", report.damage.c_str());
  if (!report.kept.empty()) std::printf("  it is kept in %s\n", report.kept.c_str());
  for (const auto& [table, count] : report.saved) {
    std::printf("  read out of it: %lld of %s\n", static_cast<long long>(count), table.c_str());
  }
  const recovery::Restored& restored = report.restored;
  std::printf("restored: %zu volumes, %zu snapshots, %zu attachments, %lld rows of types, projects, users and quotas\n",
              restored.volumes.size(), restored.snapshots.size(), restored.attachments.size(),
              static_cast<long long>(restored.catalogue));
  line("volume", restored.volumes);
  line("without its name and owner:", restored.undescribed);
  line("snapshot", restored.snapshots);
  line("attachment", restored.attachments);
  line("backup", restored.backups);
  line("its bytes are gone, it is in an error status:", restored.without_bytes);
  line("project made up:", restored.projects);
  line("type made up:", restored.types);
}

}  // namespace

recovery::Options recovery_options(const Config& config) {
  return {.store = config.directory,
          .run_directory = config.run_directory,
          .storage_daemon = config.storage_daemon,
          .timeouts = config.timeouts,
          .nbd_host = config.nbd.host,
          .settings = config.services,
          .own_identity = !config.with_keystone,
          .has_archive = archive_finder(config)};
}

void log_report(const recovery::Report& report) {
  log::error("the database was not sound and was recovered; look at what is missing",
             {{"database", name_of(report)},
              {"damage", report.damage},
              {"kept", report.kept.string()},
              {"rows_saved", saved_rows(report)},
              {"volumes_restored", static_cast<std::int64_t>(report.restored.volumes.size())},
              {"without_description", static_cast<std::int64_t>(report.restored.undescribed.size())},
              {"backups_restored", static_cast<std::int64_t>(report.restored.backups.size())},
              {"without_bytes", static_cast<std::int64_t>(report.restored.without_bytes.size())}});
}

int recover(const Config& config, bool dry_run, bool as_json) {
  StoreLock lock = lock_store(config.directory, config.run_directory);
  SystemClock clock;
  SystemRng rng;
  recovery::Options options = recovery_options(config);
  options.dry_run = dry_run;
  recovery::Report report = recovery::Recovery(std::move(options), clock, rng).recover();
  as_json ? print_json(report, dry_run) : print_text(report, dry_run);
  return 0;
}

}  // namespace varve::daemon
