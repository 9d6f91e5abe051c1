// The schema's history: migrations/NNNN_name.sql, compiled in.
#pragma once

#include <span>
#include <string_view>

namespace varve::store {

class Connection;

struct Migration {
  int version;
  std::string_view name;
  std::string_view sql;
};

std::span<const Migration> migrations();  // ascending, without gaps

int schema_version(Connection& db);  // 0: a new database
int newest_schema_version();

// Brings the schema to the newest version, each step in a transaction of its own. A database that is newer than this
// daemon throws Error(Unavailable) and is left alone. to: no further than that.
void migrate(Connection& db, int to = newest_schema_version());

}  // namespace varve::store
