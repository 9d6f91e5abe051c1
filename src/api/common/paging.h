// The list parameters of both dialects: limit, marker, offset, sort, filters, and the link to the next page.
#pragma once

#include <boost/json/array.hpp>
#include <span>
#include <string>
#include <string_view>

#include "api/common/dispatcher.h"
#include "model/metadata.h"
#include "model/page.h"

namespace varve::api {

// A query parameter that filters, and how its text becomes a value.
struct FilterSpec {
  enum class Kind : std::uint8_t {
    Text,
    Fuzzy,  // contains
    Integer,
    Boolean,
    Metadata,
    Time,
    Ids,         // ['id1','id2']: at most 60; unknown ones match nothing
    AttachedTo,  // an instance
    Status,      // one that there is
    Zone,        // one of ListSpec::zones
    Constant,    // every row has this value, which stands as the field; any case
    Always,      // a boolean that is true of every row
  };
  std::string_view parameter;
  std::string_view field;
  Kind kind = Kind::Text;
};

struct SortSpec {
  std::string_view parameter;
  std::string_view field;
};

// Cinder clamps a limit above 1000 and drops unknown filters; EVS refuses what is out of range and counts always.
enum class ListRules : std::uint8_t { Cinder, Evs };

struct ListSpec {
  std::span<const FilterSpec> filters;
  std::span<const SortSpec> sort_keys;
  ListRules rules = ListRules::Cinder;
  std::span<const std::string> zones = {};
};

inline constexpr std::int64_t kMaxPage = 1000;

// all_tenants (admins) looks at every project; project_id narrows that. Unknown filters are dropped below
// microversion 3.31 and refused from there on, as Cinder does. Throws Error(InvalidInput) naming the parameter.
model::PageQuery parse_page(const Call& call, const ListSpec& spec);

// {'k': 'v'} as Python prints it, or JSON; the parameter's name is for the refusal.
model::Metadata parse_pairs(std::string_view parameter, const std::string& text);

// "<collection>_links", when the page is full: the same query with the marker of its last row.
boost::json::array next_link(const Call& call, const std::string& last_id);

}  // namespace varve::api
