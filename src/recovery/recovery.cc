#include "recovery/recovery.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/quarantine.h"
#include "base/text.h"
#include "services/volume_types.h"
#include "store/migrations.h"
#include "store/place.h"
#include "store/sql.h"

namespace varve::recovery {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kQueue = 10;
constexpr std::chrono::seconds kLookAtAStart(20);
// The logs first: alone they are nothing, with another file they harm.
constexpr const char* kParts[] = {"-journal", "-wal", "-shm", ""};

fs::path with(const fs::path& file, const std::string& suffix) {
  return file.string() + suffix;
}

void move(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    throw Error(ErrorCode::BackendFailed, "cannot move " + from.string() + ": " + std::strerror(errno));
  }
}

bool has_content(const fs::path& file) {
  std::error_code none;
  return fs::exists(file, none) && fs::file_size(file, none) > 0;
}

void remove_all_parts(const fs::path& file) {
  for (const char* part : kParts) files::remove_durably(with(file, part));
}

}  // namespace

std::optional<Report> Recovery::mend() {
  Report report;
  complete(report);
  roll_back(file_);
  report.condition = examine(file_, &report.damage);
  if (report.condition == Condition::Healthy) return add_what_is_lost(std::move(report));
  // A log without its database would be deleted by SQLite.
  bool new_store = !read_remains(options_.store).any() && !has_content(with(file_, "-wal"));
  if (report.condition == Condition::Missing && new_store) return std::nullopt;
  return rebuild(std::move(report), remains());
}

Report Recovery::recover() {
  Report report;
  if (!options_.dry_run) {
    complete(report);
    roll_back(file_);
  }
  report.condition = examine(file_, &report.damage);
  Remains present = remains();
  if (report.condition != Condition::Healthy) return rebuild(std::move(report), present);
  present.backups = backups_with_objects(described_backups(present.catalogue), std::nullopt);
  options_.dry_run ? try_to_fill(present, report) : fill(file_, present, false, report);
  return report;
}

// In a copy: to open a database of an earlier version is to change it.
void Recovery::try_to_fill(const Remains& present, Report& report) const {
  fs::path copy = with(file_, ".recovering");
  remove_all_parts(copy);
  try {
    copy_database(file_, copy);
    fill(copy, present, false, report);
  } catch (const Error&) {
    remove_all_parts(copy);
    throw;
  }
  remove_all_parts(copy);
}

Remains Recovery::remains() const {
  Remains out = read_remains(options_.store);
  qemu::StorageDaemons daemons(options_.run_directory, options_.storage_daemon, options_.timeouts);
  out.exports = live_exports(daemons, options_.nbd_host);
  return out;
}

// Described backups that nobody has removed. within: those that are not looked at in that time are not found.
std::set<std::string> Recovery::backups_with_objects(const std::map<std::string, std::string>& archives,
                                                     std::optional<std::chrono::seconds> within) const {
  std::set<std::string> found;
  if (!options_.has_archive) return found;
  auto began = clock_.steady();
  for (const auto& [id, archive] : archives) {
    if (within && clock_.steady() - began > *within) {
      log::error("there was no time to look for all backups that have no row; varved recover looks for the others");
      break;
    }
    try {
      if (options_.has_archive(archive)) found.insert(id);
    } catch (const Error& fault) {
      log::error("a backup cannot be looked for", {{"backup", id}, {"error", fault.message()}});
      if (fault.code() == ErrorCode::Unavailable) break;
    }
  }
  return found;
}

// Volumes with a storage daemon, but neither an attachment nor a task in the database.
std::set<std::string> Recovery::unknown_daemons() const {
  std::set<std::string> unknown;
  for (const std::string& key : qemu::StorageDaemons(options_.run_directory, options_.storage_daemon).keys()) {
    if (is_uuid(key)) unknown.insert(key);
  }
  if (unknown.empty()) return unknown;
  std::unique_ptr<store::Database> db = store::open_sqlite(file_, kQueue);
  db->read_blocking([&](store::Transaction& tx) {
    std::erase_if(unknown, [&](const std::string& key) {
      VolumeId volume(key);
      return !tx.attachments().of_volume(volume).empty() || tx.tasks().works_on(volume);
    });
  });
  return unknown;
}

// Of a sound database: who is served, with all that it lacks, and backups, whose descriptions will be written anew.
std::optional<Report> Recovery::add_what_is_lost(Report report) {
  std::optional<Remains> present = remains_if_served();
  bool is_served = present.has_value();
  if (!present) {
    present.emplace();
    present->catalogue = services::read_catalogue(options_.store);
  }
  present->backups = backups_with_objects(unknown_backups(present->catalogue), kLookAtAStart);
  if (!is_served && present->backups.empty()) return std::nullopt;
  log::error("the database is an older one and gets what it lacks",
             {{"clients_are_served", is_served}, {"backups", static_cast<std::int64_t>(present->backups.size())}});
  fill(file_, *present, false, report);
  return report;
}

// When clients are served of whom the database does not know.
std::optional<Remains> Recovery::remains_if_served() const {
  std::set<std::string> unknown = unknown_daemons();
  if (unknown.empty()) return std::nullopt;
  Remains present = remains();
  auto is_unknown = [&](const LiveExport& one) { return !one.attachment.empty() && unknown.contains(one.source); };
  // Else they are left by attachments that had just ended.
  if (std::ranges::none_of(present.exports, is_unknown)) return std::nullopt;
  return present;
}

// Described backups without a row.
std::map<std::string, std::string> Recovery::unknown_backups(const boost::json::object& catalogue) const {
  std::map<std::string, std::string> unknown = described_backups(catalogue);
  if (unknown.empty()) return unknown;
  std::unique_ptr<store::Database> db = store::open_sqlite(file_, kQueue);
  db->read_blocking([&](store::Transaction& tx) {
    std::erase_if(unknown, [&](const auto& one) { return tx.backups().find(std::nullopt, BackupId(one.first)); });
  });
  return unknown;
}

// The new database is whole and durable before it has the name that says so.
Report Recovery::rebuild(Report report, const Remains& present) {
  fs::path fresh = with(file_, ".recovering");
  remove_all_parts(fresh);
  try {
    build(fresh, report, present);
  } catch (const Error&) {
    remove_all_parts(fresh);  // the room may be what is missing
    throw;
  }
  if (options_.dry_run) {
    remove_all_parts(fresh);
    return report;
  }
  move(fresh, with(file_, store::kSuccessor));
  files::sync_directory(options_.store);
  complete(report);
  return report;
}

namespace {

void make_schema(const fs::path& file, int version) {
  store::Connection db(file.string(), false);
  store::migrate(db, version);
}

}  // namespace

// Into the schema that they were written for: migrations find them as they know them.
std::map<std::string, std::int64_t> Recovery::save_rows(const fs::path& fresh) const {
  auto save = [&](int version) {
    make_schema(fresh, version);
    std::map<std::string, std::int64_t> saved = salvage(file_, fresh);
    make_schema(fresh, store::newest_schema_version());
    return saved;
  };
  int version = written_version(file_);
  try {
    return save(version);
  } catch (const Error& fault) {
    if (version == store::newest_schema_version()) throw;
    log::warning("rows of an earlier schema are taken as they are", {{"version", version}, {"error", fault.message()}});
  }
  remove_all_parts(fresh);
  return save(store::newest_schema_version());
}

void Recovery::build(const fs::path& fresh, Report& report, const Remains& present) {
  if (report.condition == Condition::Damaged) report.saved = save_rows(fresh);
  fill(fresh, present, true, report);
  report.dangling = tidy(fresh);
  if (options_.dry_run) return;
  if (has_content(with(fresh, "-wal"))) throw Error(ErrorCode::NoSpace, "the recovered database cannot be completed");
  for (const char* part : {"-wal", "-shm"}) files::remove_durably(with(fresh, part));  // empty
}

// all: the database is a new one.
void Recovery::fill(const fs::path& file, const Remains& present, bool all, Report& report) const {
  std::unique_ptr<store::Database> db = store::open_sqlite(file, kQueue);
  if (all) {
    db->write_blocking([&](store::Transaction& tx) {
      Rows rows(tx, present, options_.settings, options_.own_identity, all, clock_.now());
      rows.put_catalogue();
      report.restored.catalogue = rows.restored().catalogue;
    });
    services::VolumeTypes(*db, clock_, rng_, options_.settings).seed();
  }
  std::int64_t from_catalogue = report.restored.catalogue;
  auto volumes = [&](store::Transaction& tx) {
    Rows rows(tx, present, options_.settings, options_.own_identity, all, clock_.now());
    rows.put_volumes();
    rows.put_backups();
    report.restored = rows.restored();
    report.restored.catalogue = from_catalogue;
  };
  db->write_blocking(volumes);
}

// Finishes a change of databases that was begun: when the new one has its second name, every part of the old one moves
// into the quarantine, then the new one gets its third name.
void Recovery::complete(Report& report) {
  fs::path recovered = with(file_, store::kSuccessor);
  struct stat made;
  if (::stat(recovered.c_str(), &made) != 0) return;
  // The same name when this was cut off and is done again.
  fs::path kept = options_.store / "quarantine" / ("database-" + std::to_string(made.st_mtime));
  for (const char* part : kParts) {
    fs::path old = with(file_, part);
    if (!fs::exists(old)) continue;
    files::make_directory(kept);
    move(old, kept / old.filename());
    report.kept = kept;
  }
  if (!report.kept.empty()) {
    note_reason(kept / "database", file_, "it was damaged, and a new database was made of it");
    files::sync_directory(kept);
  }
  files::sync_directory(options_.store);
  move(recovered, file_);
  files::sync_directory(options_.store);
}

}  // namespace varve::recovery
