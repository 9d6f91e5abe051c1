// A store whose database is damaged or gone is made whole, and nothing is destroyed: the new database is built beside
// the old one and takes its place in steps that a crash cannot leave half-done; the old one is kept in
// `<store>/quarantine/`. The store's lock is held by the caller.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/rng.h"
#include "qemu/storage_daemons.h"
#include "recovery/database_file.h"
#include "recovery/rows.h"

namespace varve::recovery {

struct Options {
  std::filesystem::path store;
  std::filesystem::path run_directory;
  std::string storage_daemon;
  qemu::Timeouts timeouts;
  std::string nbd_host;
  services::Settings settings;
  bool own_identity = true;  // projects and users are the store's own
  bool dry_run = false;
  // Whether the objects of a backup are there; throws Error when that cannot be told. Empty: not asked.
  std::function<bool(const std::string& archive)> has_archive;
};

struct Report {
  Condition condition = Condition::Missing;
  std::string damage;                         // what SQLite says
  std::map<std::string, std::int64_t> saved;  // rows that could be read out of a damaged database, by table
  std::int64_t dangling = 0;                  // of them, those that went because what they refer to is lost
  Restored restored;
  std::filesystem::path kept;  // where the old database is; empty: there was none, or it is sound
};

class Recovery {
 public:
  Recovery(Options options, Clock& clock, Rng& rng)
      : options_(std::move(options)), clock_(clock), rng_(rng), file_(options_.store / "varve.db") {}

  // What a start needs: nothing happens when the store is new, or when the database is sound and knows of all that is
  // served. Throws Error(Unavailable), and touches nothing, when the database cannot be read for a reason that is no
  // damage.
  std::optional<Report> mend();

  // The same on demand; a sound database gets the rows that it lacks.
  Report recover();

 private:
  void complete(Report& report);
  Report rebuild(Report report, const Remains& remains);
  std::map<std::string, std::int64_t> save_rows(const std::filesystem::path& fresh) const;
  void build(const std::filesystem::path& fresh, Report& report, const Remains& remains);
  Remains remains() const;
  std::map<std::string, std::string> unknown_backups(const boost::json::object& catalogue) const;
  std::set<std::string> backups_with_objects(const std::map<std::string, std::string>& archives,
                                             std::optional<std::chrono::seconds> within) const;
  std::set<std::string> unknown_daemons() const;
  std::optional<Remains> remains_if_served() const;
  std::optional<Report> add_what_is_lost(Report report);
  void fill(const std::filesystem::path& file, const Remains& remains, bool all, Report& report) const;
  void try_to_fill(const Remains& remains, Report& report) const;

  const Options options_;
  Clock& clock_;
  Rng& rng_;
  const std::filesystem::path file_;
};

}  // namespace varve::recovery
