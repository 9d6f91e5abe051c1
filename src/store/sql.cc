#include "store/sql.h"

#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <algorithm>
#include <deque>
#include <unordered_map>

#include "base/check.h"
#include "base/error.h"

namespace varve::store {

namespace {

// SQLite's result codes, by name (sqlite3.h is wrapped in a namespace by SOCI's header).
constexpr int kSqliteFull = 13;
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

[[noreturn]] void rethrow(const soci::soci_error& fault, std::string_view sql) {
  std::string message = fault.what();
  if (const auto* sqlite = dynamic_cast<const soci::sqlite3_soci_error*>(&fault)) {
    int primary = sqlite->result() & 0xff;
    if (primary == kSqliteConstraint) throw Error(ErrorCode::Conflict, message);
    if (primary == kSqliteFull) throw Error(ErrorCode::NoSpace, "the database's disk is full");
  }
  throw Error(ErrorCode::Internal, message + " in: " + std::string(sql.substr(0, 200)));
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
  Impl(const std::string& path, bool read_only) : session_(soci::sqlite3, "dbname=\"" + path + "\" timeout=10") {
    session_ << "PRAGMA journal_mode=WAL";
    session_ << "PRAGMA synchronous=FULL";
    session_ << "PRAGMA foreign_keys=ON";
    session_ << "PRAGMA cache_size=-4096";
    if (read_only) session_ << "PRAGMA query_only=ON";
  }

  std::int64_t run(std::string_view sql, std::span<const Value> in, Touched& touched) {
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
    try {
      session_ << std::string(sql);
    } catch (const soci::soci_error& fault) {
      rethrow(fault, sql);
    }
  }

 private:
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

  soci::session session_;
  std::unordered_map<std::string, std::unique_ptr<Prepared>, Hash, std::equal_to<>> prepared_;
};

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

Connection::Connection(const std::string& path, bool read_only) try : impl_(std::make_unique<Impl>(path, read_only)) {
} catch (const soci::soci_error& fault) {
  throw Error(ErrorCode::Internal, "cannot open the database " + path + ": " + fault.what());
}

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
