#include "base/error.h"
#include "base/log.h"
#include "store/mapping.h"
#include "store/migrations.h"

namespace varve::store {

namespace {

// SQLite prepares one statement at a time; in the migrations a statement ends where a line ends with ';'.
void run_statements(Connection& db, std::string_view sql) {
  while (!sql.empty()) {
    std::size_t end = sql.find(";\n");
    std::string_view statement = sql.substr(0, end);
    sql = end == std::string_view::npos ? std::string_view() : sql.substr(end + 2);
    if (statement.find_first_not_of(" \n") != std::string_view::npos) db.script(statement);
  }
}

// The first migration was changed once after databases had been made with it: those lack a column.
void complete_first_schema(Connection& db) {
  auto columns = query<std::int64_t>(
      db, "SELECT COUNT(*) FROM pragma_table_info('attachments') WHERE name IN ('volume_id', 'snapshot_id')");
  if (std::get<0>(columns.front()) != 1) return;
  db.script("ALTER TABLE attachments ADD COLUMN snapshot_id TEXT REFERENCES snapshots (id)");
  log::info("schema completed", {{"table", "attachments"}, {"column", "snapshot_id"}});
}

}  // namespace

int newest_schema_version() {
  return migrations().back().version;
}

int schema_version(Connection& db) {
  db.script("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)");
  auto rows = query<std::int64_t>(db, "SELECT COALESCE(MAX(version), 0) FROM schema_version");
  return static_cast<int>(std::get<0>(rows.front()));
}

void migrate(Connection& db, int to) {
  int present = schema_version(db);
  if (present > newest_schema_version()) {
    throw Error(ErrorCode::Unavailable, "the database has schema version " + std::to_string(present) +
                                            ", this varved knows up to " + std::to_string(newest_schema_version()) +
                                            ": run a varved that is at least as new as the one that wrote it");
  }
  complete_first_schema(db);
  for (const Migration& step : migrations()) {
    if (step.version <= present || step.version > to) continue;
    db.script("BEGIN IMMEDIATE");
    try {
      run_statements(db, step.sql);
      run(db, "INSERT INTO schema_version (version) VALUES (:version)", std::int64_t{step.version});
      db.script("COMMIT");
    } catch (...) {
      db.script("ROLLBACK");
      throw;
    }
    log::info("schema migrated", {{"version", step.version}, {"migration", step.name}});
  }
}

}  // namespace varve::store
