#include "store/sql.h"

#include <fcntl.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <filesystem>
#include <unordered_map>

#include "base/check.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/unique_fd.h"

namespace varve::store {

namespace {

// SQLite's result codes, by name (sqlite3.h is wrapped in a namespace by SOCI's header).
constexpr int kSqliteBusy = 5;
constexpr int kSqliteReadonly = 8;
constexpr int kSqliteIoerr = 10;
constexpr int kSqliteCorrupt = 11;
constexpr int kSqliteFull = 13;
constexpr int kSqliteCantopen = 14;
constexpr int kSqliteConstraint = 19;

// "INSERT INTO quotas (...", "INSERT OR IGNORE INTO ...", "UPDATE users SET ...", "DELETE FROM ...".
bool changes_catalogue(std::string_view sql) {
  for (std::string_view lead : {"INSERT INTO ", "INSERT OR IGNORE INTO ", "UPDATE ", "DELETE FROM "}) {
    if (!sql.starts_with(lead)) continue;
    std::string_view table = sql.substr(lead.size());
    table = table.substr(0, table.find(' '));
    return std::ranges::find(catalogue_tables(), table) != catalogue_tables().end();
  }
  return false;
}

// What is wrong with the directory's file system, as an errno; 0: nothing. SQLite's own is often gone when its code
// arrives, so that a file without a name is tried.
int fault_of_disk(const std::string& directory) {
  constexpr off_t kSome = 64 << 10;
  UniqueFd file(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!file) return errno;
  return ::fallocate(file.get(), 0, 0, kSome) == 0 || errno == EOPNOTSUPP ? 0 : errno;
}

// SQLite's fault as ours. A client may read the message: no path is in it.
Error fault_of(int code, int system_fault, const std::string& directory, const std::string& message) {
  if (code == kSqliteConstraint) return {ErrorCode::Conflict, message};
  if (code == kSqliteBusy) return {ErrorCode::Unavailable, "the database is busy; try again"};
  bool disk = code == kSqliteIoerr || code == kSqliteCantopen || code == kSqliteReadonly;
  int present = disk ? fault_of_disk(directory) : 0;
  auto is = [&](int fault) { return disk && (system_fault == fault || present == fault); };
  if (code == kSqliteFull || is(ENOSPC) || is(EDQUOT)) {
    return {ErrorCode::NoSpace, "the store has no space left for this change"};
  }
  if (is(EROFS)) {
    return {ErrorCode::Unavailable, "the store's file system is read-only: nothing can be changed now"};
  }
  // SQLite calls it damage, too, when a read fails.
  if (code == kSqliteCorrupt) {
    log::error("the database cannot be read", {{"error", message}});
    return {ErrorCode::BackendFailed, "the database cannot be read: its disk fails or it is damaged"};
  }
  if (!disk || code == kSqliteReadonly) return {ErrorCode::Internal, message};
  log::error("the database's disk fails", {{"error", message}, {"errno", system_fault}});
  if (code == kSqliteIoerr) return {ErrorCode::BackendFailed, "the database cannot be read or written: its disk fails"};
  return {ErrorCode::Unavailable, "the database cannot be opened now; try again"};
}

// SOCI's library does not export the type's description that the sanitizer looks for.
[[clang::no_sanitize("vptr")]] int system_errno(soci::session& session) {
  auto* backend = static_cast<soci::sqlite3_session_backend*>(session.get_backend());
  return backend == nullptr ? 0 : sqlite_api::sqlite3_system_errno(backend->conn_);
}

struct Slot {
  ColumnType type = ColumnType::Text;
  long long integer = 0;
  std::string text;
  soci::indicator indicator = soci::i_ok;
};

// Bound once to slots that stay where they are; run as often as wanted.
class Prepared final : public Row {
 public:
  Prepared(soci::session& session, std::string_view sql, std::span<const Value> in, std::span<const ColumnType> out)
      : changes_catalogue_(changes_catalogue(sql)), statement_(session) {
    for (const Value& value : in) {
      Slot& slot = in_.emplace_back();
      slot.type = value.type;
      if (slot.type == ColumnType::Integer) {
        statement_.exchange(soci::use(slot.integer, slot.indicator));
      } else {
        statement_.exchange(soci::use(slot.text, slot.indicator));
      }
    }
    for (ColumnType type : out) {
      Slot& slot = out_.emplace_back();
      slot.type = type;
      if (type == ColumnType::Integer) {
        statement_.exchange(soci::into(slot.integer, slot.indicator));
      } else {
        statement_.exchange(soci::into(slot.text, slot.indicator));
      }
    }
    statement_.alloc();
    statement_.prepare(std::string(sql));
    statement_.define_and_bind();
  }

  void bind(std::span<const Value> in) {
    VARVE_CHECK(in.size() == in_.size(), "a statement was run with another number of parameters");
    for (std::size_t i = 0; i < in.size(); ++i) {
      Slot& slot = in_[i];
      VARVE_CHECK(slot.type == in[i].type, "a statement's parameter changed its type");
      slot.indicator = in[i].null ? soci::i_null : soci::i_ok;
      if (slot.type == ColumnType::Integer) {
        slot.integer = in[i].integer;
      } else {
        slot.text = in[i].text;
      }
    }
  }

  soci::statement& statement() { return statement_; }
  bool changes_catalogue_table() const { return changes_catalogue_; }

  bool null(std::size_t column) const override { return out_[column].indicator == soci::i_null; }
  std::int64_t integer(std::size_t column) const override { return out_[column].integer; }
  const std::string& text(std::size_t column) const override { return out_[column].text; }

 private:
  const bool changes_catalogue_;
  soci::statement statement_;
  std::deque<Slot> in_;
  std::deque<Slot> out_;
};

}  // namespace

class Connection::Impl {
 public:
  Impl(const std::string& path, bool read_only)
      : directory_(std::filesystem::path(path).parent_path()), read_only_(read_only) {
    try {
      session_.open(soci::sqlite3, "dbname=\"" + path + "\" timeout=10");
      session_ << "PRAGMA journal_mode=WAL";
      session_ << "PRAGMA synchronous=FULL";
      session_ << "PRAGMA foreign_keys=ON";
      session_ << "PRAGMA cache_size=-4096";
      if (read_only) session_ << "PRAGMA query_only=ON";
    } catch (const soci::soci_error& fault) {
      rethrow(fault, "opening it");
    }
  }

  std::int64_t run(std::string_view sql, std::span<const Value> in, Touched& touched) {
    may_fail(fault::Kind::Statement);
    try {
      Prepared& prepared = prepare(sql, in, {});
      touched.catalogue |= prepared.changes_catalogue_table();
      prepared.statement().execute(true);
      return prepared.statement().get_affected_rows();
    } catch (const soci::soci_error& fault) {
      forget(sql);
      rethrow(fault, sql);
    }
  }

  void query(std::string_view sql, std::span<const Value> in, std::span<const ColumnType> out,
             const std::function<void(const Row&)>& each) {
    may_fail(fault::Kind::Statement);
    try {
      Prepared& prepared = prepare(sql, in, out);
      prepared.statement().execute(false);
      // Always to the end: a half-read statement would pin an old snapshot of the database.
      while (prepared.statement().fetch()) each(prepared);
    } catch (const soci::soci_error& fault) {
      forget(sql);
      rethrow(fault, sql);
    } catch (...) {
      forget(sql);
      throw;
    }
  }

  void script(std::string_view sql) {
    if (!read_only_ && sql == "COMMIT") may_fail(fault::Kind::Commit);
    try {
      session_ << std::string(sql);
    } catch (const soci::soci_error& fault) {
      rethrow(fault, sql);
    }
  }

 private:
  void may_fail(fault::Kind kind) const {
    if (fault::fails(kind)) throw fault_of(kSqliteIoerr, errno, directory_, "disk I/O error");
  }

  [[noreturn]] void rethrow(const soci::soci_error& fault, std::string_view sql) {
    const auto* sqlite = dynamic_cast<const soci::sqlite3_soci_error*>(&fault);
    if (sqlite == nullptr) throw Error(ErrorCode::Internal, std::string(fault.what()) + " in: " + start_of(sql));
    Error known = fault_of(sqlite->result() & 0xff, system_errno(session_), directory_, fault.what());
    if (known.code() != ErrorCode::Internal) throw Error(known);
    throw Error(ErrorCode::Internal, known.message() + " in: " + start_of(sql));
  }

  static std::string start_of(std::string_view sql) { return std::string(sql.substr(0, 200)); }

  Prepared& prepare(std::string_view sql, std::span<const Value> in, std::span<const ColumnType> out) {
    auto found = prepared_.find(sql);
    if (found == prepared_.end()) {
      if (prepared_.size() >= kMaxPrepared) prepared_.clear();
      found = prepared_.emplace(sql, std::make_unique<Prepared>(session_, sql, in, out)).first;
    }
    found->second->bind(in);
    return *found->second;
  }

  // After a fault the statement's state is not known: the next use prepares it anew.
  void forget(std::string_view sql) {
    if (auto found = prepared_.find(sql); found != prepared_.end()) prepared_.erase(found);
  }

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  // List statements vary with their filters; this many texts are kept before all are dropped.
  static constexpr std::size_t kMaxPrepared = 256;

  const std::string directory_;
  const bool read_only_;
  soci::session session_;
  std::unordered_map<std::string, std::unique_ptr<Prepared>, Hash, std::equal_to<>> prepared_;
};

void Touched::add(Touched more) {
  volumes.insert(volumes.end(), more.volumes.begin(), more.volumes.end());
  catalogue |= more.catalogue;
  std::ranges::move(more.begun, std::back_inserter(begun));
}

std::span<const std::string_view> catalogue_tables() {
  static constexpr std::string_view kTables[] = {"volume_types",
                                                 "volume_type_access",
                                                 "qos_specs",
                                                 "type_encryptions",
                                                 "default_types",
                                                 "group_types",
                                                 "volume_groups",
                                                 "group_snapshots",
                                                 "quotas",
                                                 "service_states",
                                                 "domains",
                                                 "projects",
                                                 "users",
                                                 "roles",
                                                 "user_groups",
                                                 "group_members",
                                                 "role_assignments",
                                                 "group_role_assignments",
                                                 "backups"};
  return kTables;
}

Connection::Connection(const std::string& path, bool read_only) : impl_(std::make_unique<Impl>(path, read_only)) {}

Connection::~Connection() = default;

std::int64_t Connection::run(std::string_view sql, std::span<const Value> in) {
  return impl_->run(sql, in, touched_);
}

void Connection::query(std::string_view sql, std::span<const Value> in, std::span<const ColumnType> out,
                       const std::function<void(const Row&)>& each) {
  impl_->query(sql, in, out, each);
}

void Connection::script(std::string_view sql) {
  impl_->script(sql);
}

}  // namespace varve::store
