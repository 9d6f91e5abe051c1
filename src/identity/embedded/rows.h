// Rows of the directory: looked up by id or refused, and named once in their domain (of roles and domains: at all).
// Errors: NotFound, Conflict.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "identity/kinds.h"
#include "store/database.h"
#include "store/identity_tables.h"

namespace varve::identity {

inline constexpr char kDefaultDomain[] = "default";

template <class T>
concept InDomain = requires(const T& row) { row.domain_id; };

[[noreturn]] inline void not_found(std::string_view kind, std::string_view id) {
  throw Error(ErrorCode::NotFound, "Could not find " + std::string(kind) + ": " + std::string(id) + ".");
}

[[noreturn]] inline void taken(std::string_view kind, std::string_view name) {
  throw Error(ErrorCode::Conflict, "Conflict occurred attempting to store " + std::string(kind) +
                                       " - Duplicate entry found with name " + std::string(name) + ".");
}

template <class T>
T get(store::Transaction& tx, const std::string& id) {
  std::optional<T> row = tx.identities().find<T>(id);
  if (!row) not_found(kKind<T>, id);
  return std::move(*row);
}

// Another row has its name.
template <class T>
bool has_namesake(store::Transaction& tx, const T& row) {
  std::optional<T> other;
  if constexpr (InDomain<T>) {
    other = tx.identities().find_by_name<T>(row.domain_id, row.name);
  } else {
    other = tx.identities().find_by_name<T>(row.name);
  }
  return other && other->id != row.id;
}

template <class T>
void require_free_name(store::Transaction& tx, const T& row) {
  if (has_namesake(tx, row)) taken(kKind<T>, row.name);
}

// Groups have always said it shorter.
inline void require_free_name(store::Transaction& tx, const model::Group& group) {
  if (has_namesake(tx, group)) throw Error(ErrorCode::Conflict, "Duplicate entry found with name " + group.name + ".");
}

}  // namespace varve::identity
