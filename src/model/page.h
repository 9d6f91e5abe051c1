// One way to ask for a page of any list: filters, order, keyset marker, limit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/id.h"

namespace varve::model {

// A key of metadata and its value; nullopt: any.
struct Pair {
  std::string key;
  std::optional<std::string> value;
};

// Fields are those of the row's struct, by name: constants of the API's filter tables, never text from a request.
struct Filter {
  enum class Op : std::uint8_t {
    Equal,
    NotEqual,
    Contains,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    HasPair,     // of metadata
    AttachedTo,  // volumes only: an attachment names this instance
    AllOf,       // parts; no part: true
    AnyOf,       // parts; no part: false
  };
  std::string_view field;
  Op op = Op::Equal;
  std::variant<std::int64_t, std::string, Pair> value;
  std::vector<Filter> parts = {};
  bool negated = false;
};

struct SortKey {
  std::string_view field;
  bool descending = true;
};

struct PageQuery {
  std::optional<ProjectId> project_id;  // nullopt: every project (admins only)
  std::vector<Filter> filters;          // all must hold
  std::vector<SortKey> sort;            // the id is appended as the last key; empty: newest first
  std::optional<std::string> marker;    // id of the last row of the page before
  std::int64_t limit = 1000;            // 0..1000
  std::int64_t offset = 0;
  bool with_count = false;
};

template <class Row>
struct Page {
  std::vector<Row> rows;
  std::optional<std::int64_t> count;  // all matches, whatever limit and marker say
};

}  // namespace varve::model
