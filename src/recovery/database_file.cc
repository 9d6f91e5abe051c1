#include "recovery/database_file.h"

#include <sqlite3.h>

#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "model/status.h"
#include "store/migrations.h"

namespace varve::recovery {

namespace fs = std::filesystem;

namespace {

using Database = std::unique_ptr<sqlite3, decltype(&sqlite3_close_v2)>;
using Statement = std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)>;

bool is_damage(int code) {
  return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB || (code & 0xff) == SQLITE_FORMAT;
}

[[noreturn]] void fail(sqlite3* db, const std::string& what) {
  int code = sqlite3_errcode(db) & 0xff;
  ErrorCode kind = code == SQLITE_FULL ? ErrorCode::NoSpace : ErrorCode::Unavailable;
  if (is_damage(code)) kind = ErrorCode::BackendFailed;
  throw Error(kind, what + ": " + sqlite3_errmsg(db));
}

Database open(const fs::path& file, int flags) {
  sqlite3* raw = nullptr;
  int code = sqlite3_open_v2(file.c_str(), &raw, flags, nullptr);
  Database db(raw, &sqlite3_close_v2);
  if (code != SQLITE_OK) fail(raw, "cannot open the database " + file.string());
  sqlite3_busy_timeout(raw, 10000);
  return db;
}

// nullptr: the statement cannot be prepared (the schema cannot be read, a table is not there).
Statement prepare(sqlite3* db, const std::string& sql) {
  sqlite3_stmt* raw = nullptr;
  sqlite3_prepare_v2(db, sql.c_str(), -1, &raw, nullptr);
  return Statement(raw, &sqlite3_finalize);
}

std::string text(sqlite3_stmt* row, int column) {
  const unsigned char* value = sqlite3_column_text(row, column);
  return value == nullptr ? std::string() : std::string(reinterpret_cast<const char*>(value));
}

// All rows up to the first that cannot be read; the last result code.
int each(sqlite3* db, const std::string& sql, const std::function<void(sqlite3_stmt*)>& row) {
  Statement statement = prepare(db, sql);
  if (!statement) return sqlite3_errcode(db);
  int code = SQLITE_OK;
  while ((code = sqlite3_step(statement.get())) == SQLITE_ROW) row(statement.get());
  return code;
}

void run(sqlite3* db, const std::string& sql) {
  if (sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) fail(db, "cannot change the database");
}

std::vector<std::string> names(sqlite3* db, const std::string& sql) {
  std::vector<std::string> out;
  each(db, sql, [&](sqlite3_stmt* row) { out.push_back(text(row, 0)); });
  return out;
}

std::vector<std::string> tables_of(sqlite3* db) {
  return names(db,
               "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> "
               "'schema_version' ORDER BY name");
}

std::string joined(const std::vector<std::string>& list, const std::string& by, const std::string& after = "") {
  std::string out;
  for (const std::string& one : list) {
    if (!out.empty()) out += by;
    out.append(one).append(after);
  }
  return out;
}

// One table's rows on their way out of a damaged file.
class Salvaged {
 public:
  Salvaged(sqlite3* from, sqlite3* to, std::string table)
      : from_(from), table_(std::move(table)), insert_(nullptr, &sqlite3_finalize) {
    std::vector<std::string> theirs = names(from, "SELECT name FROM pragma_table_info('" + table_ + "')");
    std::set<std::string> known(theirs.begin(), theirs.end());
    for (const std::string& column : names(to, "SELECT name FROM pragma_table_info('" + table_ + "')")) {
      if (known.contains(column)) columns_.push_back(column);
    }
    key_ = names(to, "SELECT name FROM pragma_table_info('" + table_ + "') WHERE pk > 0 ORDER BY pk");
    if (columns_.empty()) return;
    std::string marks = joined(std::vector<std::string>(columns_.size(), "?"), ", ");
    insert_ =
        prepare(to, "INSERT OR IGNORE INTO " + table_ + " (" + joined(columns_, ", ") + ") VALUES (" + marks + ")");
    if (!insert_) fail(to, "cannot write to the new database");
  }

  // Forwards and backwards around a damaged page; what lies between two of them by the keys that the indexes still
  // have.
  std::int64_t copy() {
    if (!insert_) return 0;
    std::string select = "SELECT " + joined(columns_, ", ") + " FROM " + table_;
    auto keep = [this](sqlite3_stmt* row) { put(row); };
    if (each(from_, select + " ORDER BY " + joined(key_, ", "), keep) == SQLITE_DONE) return rows_;
    each(from_, select + " ORDER BY " + joined(key_, ", ", " DESC"), keep);
    for (const std::string& index : names(from_, "SELECT name FROM pragma_index_list('" + table_ + "')")) {
      copy_by(index, select);
    }
    return rows_;
  }

 private:
  void copy_by(const std::string& index, const std::string& select) {
    Statement one = prepare(from_, select + " WHERE " + joined(key_, " AND ", " = ?"));
    if (!one) return;
    std::string keys = "SELECT " + joined(key_, ", ") + " FROM " + table_ + " INDEXED BY \"" + index + "\"";
    each(from_, keys, [&](sqlite3_stmt* row) {
      sqlite3_reset(one.get());
      for (int i = 0; i < static_cast<int>(key_.size()); ++i) {
        sqlite3_bind_value(one.get(), i + 1, sqlite3_column_value(row, i));
      }
      if (sqlite3_step(one.get()) == SQLITE_ROW) put(one.get());
      sqlite3_reset(one.get());
    });
  }

  void put(sqlite3_stmt* row) {
    for (int i = 0; i < static_cast<int>(columns_.size()); ++i) {
      sqlite3_bind_value(insert_.get(), i + 1, sqlite3_column_value(row, i));
    }
    sqlite3* to = sqlite3_db_handle(insert_.get());
    int code = sqlite3_step(insert_.get());
    if (code == SQLITE_DONE) rows_ += sqlite3_changes(to);
    // What breaks a rule of the table is garbage of the damaged page.
    if (code != SQLITE_DONE && (code & 0xff) != SQLITE_CONSTRAINT) fail(to, "cannot write to the new database");
    sqlite3_reset(insert_.get());
  }

  sqlite3* from_;
  std::string table_;
  std::vector<std::string> columns_;
  std::vector<std::string> key_;
  Statement insert_;
  std::int64_t rows_ = 0;
};

// Statuses that no varved has written are a damaged page's garbage.
void set_unknown_statuses(sqlite3* db) {
  auto mend = [db](const std::string& table, const auto& known, const std::string& sql) {
    for (const std::string& status : names(db, "SELECT DISTINCT status FROM " + table)) {
      if (known(status)) continue;
      Statement statement = prepare(db, sql);
      sqlite3_bind_text(statement.get(), 1, status.c_str(), -1, SQLITE_TRANSIENT);
      if (sqlite3_step(statement.get()) != SQLITE_DONE) fail(db, "cannot change the database");
    }
  };
  auto volume = [](const std::string& status) { return model::parse_volume_status(status).has_value(); };
  auto snapshot = [](const std::string& status) { return model::parse_snapshot_status(status).has_value(); };
  auto attachment = [](const std::string& status) { return model::parse_attachment_status(status).has_value(); };
  auto backup = [](const std::string& status) { return model::parse_backup_status(status).has_value(); };
  mend("volumes", volume, "UPDATE volumes SET status = 'error' WHERE status = ?");
  mend("snapshots", snapshot, "UPDATE snapshots SET status = 'error' WHERE status = ?");
  mend("attachments", attachment, "UPDATE attachments SET status = 'attached' WHERE status = ?");
  mend("backups", backup, "UPDATE backups SET status = 'error' WHERE status = ?");
}

// One pass; a row that goes may leave others behind that refer to it.
std::int64_t remove_dangling(sqlite3* db) {
  std::int64_t removed = 0;
  for (const std::string& table : tables_of(db)) {
    std::vector<std::string> deletes;
    std::string references = "SELECT \"table\", \"from\", \"to\" FROM pragma_foreign_key_list('" + table + "')";
    each(db, references, [&](sqlite3_stmt* row) {
      std::string parent = text(row, 0);
      std::string column = text(row, 1);
      std::string sql = "DELETE FROM " + table;
      sql.append(" WHERE ").append(column).append(" IS NOT NULL AND ").append(column);
      sql.append(" NOT IN (SELECT ").append(text(row, 2)).append(" FROM ").append(parent).append(")");
      deletes.push_back(std::move(sql));
    });
    for (const std::string& sql : deletes) {
      run(db, sql);
      removed += sqlite3_changes(db);
    }
  }
  return removed;
}

}  // namespace

void roll_back(const fs::path& file) {
  std::error_code none;
  if (!fs::exists(file.string() + "-journal", none)) return;
  sqlite3* raw = nullptr;
  int code = sqlite3_open_v2(file.c_str(), &raw, SQLITE_OPEN_READWRITE, nullptr);
  Database db(raw, &sqlite3_close_v2);
  if (code == SQLITE_OK) names(raw, "SELECT name FROM sqlite_master");
}

Condition examine(const fs::path& file, std::string* what) {
  std::error_code none;
  if (fs::is_symlink(file, none) && !fs::exists(file, none)) {
    throw Error(ErrorCode::Unavailable, "the database is a link to a file that is not there; is its disk mounted?");
  }
  if (!fs::exists(file, none) || fs::file_size(file, none) == 0) return Condition::Missing;
  Database db = open(file, SQLITE_OPEN_READONLY);
  std::string verdict;
  int code = each(db.get(), "PRAGMA quick_check(1)", [&](sqlite3_stmt* row) { verdict = text(row, 0); });
  if (is_damage(code) && what != nullptr) *what = sqlite3_errmsg(db.get());
  if (is_damage(code)) return Condition::Damaged;
  if ((code & 0xff) == SQLITE_READONLY) {
    throw Error(ErrorCode::Unavailable, "a transaction in the database was cut off; the next start takes it back");
  }
  if (code != SQLITE_DONE) fail(db.get(), "the database cannot be read");
  if (verdict != "ok" && what != nullptr) *what = verdict.substr(0, 200);
  if (verdict != "ok") return Condition::Damaged;
  return tables_of(db.get()).empty() ? Condition::Missing : Condition::Healthy;
}

int written_version(const fs::path& file) {
  Database db = open(file, SQLITE_OPEN_READONLY);
  int version = 0;
  each(db.get(), "SELECT MAX(version) FROM schema_version",
       [&](sqlite3_stmt* row) { version = sqlite3_column_int(row, 0); });
  int newest = store::newest_schema_version();
  return version >= 1 && version <= newest ? version : newest;
}

std::map<std::string, std::int64_t> salvage(const fs::path& from, const fs::path& to) {
  std::map<std::string, std::int64_t> rows;
  Database damaged = open(from, SQLITE_OPEN_READONLY);
  Database fresh = open(to, SQLITE_OPEN_READWRITE);
  run(fresh.get(), "PRAGMA foreign_keys = OFF");
  run(fresh.get(), "BEGIN IMMEDIATE");
  for (const std::string& table : tables_of(fresh.get())) {
    std::int64_t count = Salvaged(damaged.get(), fresh.get(), table).copy();
    if (count > 0) rows[table] = count;
  }
  run(fresh.get(), "COMMIT");
  return rows;
}

std::int64_t tidy(const fs::path& file) {
  Database db = open(file, SQLITE_OPEN_READWRITE);
  run(db.get(), "BEGIN IMMEDIATE");
  set_unknown_statuses(db.get());
  std::int64_t removed = 0;
  while (std::int64_t now = remove_dangling(db.get())) removed += now;
  run(db.get(), "COMMIT");
  std::vector<std::string> verdict = names(db.get(), "PRAGMA integrity_check(1)");
  if (verdict != std::vector<std::string>{"ok"}) {
    throw Error(ErrorCode::BackendFailed, "the recovered database is not sound: " + joined(verdict, "; "));
  }
  return removed;
}

void copy_database(const fs::path& from, const fs::path& to) {
  files::remove_durably(to);
  Database source = open(from, SQLITE_OPEN_READONLY);
  Database target = open(to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  sqlite3_backup* backup = sqlite3_backup_init(target.get(), "main", source.get(), "main");
  if (backup == nullptr) fail(target.get(), "the database cannot be copied");
  int code = sqlite3_backup_step(backup, -1);
  sqlite3_backup_finish(backup);
  if (code != SQLITE_DONE) fail(target.get(), "the database cannot be copied");
  run(target.get(), "PRAGMA journal_mode = DELETE");
}

}  // namespace varve::recovery
