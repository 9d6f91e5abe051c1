// The list parameters of both dialects: limit, marker, offset, sort, filters, and the link to the next page.
#pragma once

#include <boost/json/array.hpp>
#include <span>
#include <string>
#include <string_view>

#include "api/common/dispatcher.h"
#include "model/page.h"

namespace varve::api {

// A query parameter that filters, and how its text becomes a value.
struct FilterSpec {
  enum class Kind : std::uint8_t { Text, Integer, Boolean, Metadata, Time };
  std::string_view parameter;
  std::string_view column;
  Kind kind = Kind::Text;
};

struct SortSpec {
  std::string_view parameter;
  std::string_view column;
};

struct ListSpec {
  std::span<const FilterSpec> filters;
  std::span<const SortSpec> sort_keys;
};

inline constexpr std::int64_t kMaxPage = 1000;

// all_tenants (admins) looks at every project; project_id narrows that. Unknown filters are dropped below
// microversion 3.31 and refused from there on, as Cinder does. Throws Error(InvalidInput) naming the parameter.
model::PageQuery parse_page(const Call& call, const ListSpec& spec);

// "<collection>_links", when the page is full: the same query with the marker of its last row.
boost::json::array next_link(const Call& call, const std::string& last_id);

}  // namespace varve::api
