// Lookups that the table classes share.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/error.h"
#include "store/columns.h"
#include "store/tables.h"

namespace varve::store {

// The row of this id, if the scope may see it.
template <class T, class IdType>
std::optional<T> find_scoped(Connection& db, const Scope& scope, const IdType& id) {
  std::optional<T> row = select_one<T>(db, "WHERE id = :id", id);
  if (row && scope && row->project_id != *scope) return std::nullopt;
  return row;
}

[[noreturn]] inline void not_found(std::string_view kind, std::string_view id) {
  throw Error(ErrorCode::NotFound, std::string(kind) + " " + std::string(id) + " could not be found.");
}

// Of a statement with one row: count, sum.
inline Usage usage_of(const std::vector<std::tuple<std::int64_t, std::int64_t>>& rows) {
  return {std::get<0>(rows.front()), std::get<1>(rows.front())};
}

}  // namespace varve::store
