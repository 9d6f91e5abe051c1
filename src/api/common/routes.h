// How a dialect says what it serves: tables of rows, one a route, and the places where such a table is found. What a
// row does not say is the same for all: authentication, the microversion, the envelope of faults.
//
// A handler is a function of its dialect's context, which outlives every call, and of the call.
#pragma once

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/common/faults.h"
#include "api/common/needs.h"
#include "http/message.h"

namespace varve::api {

struct Call;
using CallPtr = std::shared_ptr<Call>;
using Reply = boost::asio::awaitable<http::Response>;

struct Arguments;

// One of the things that a POST …/action can ask for (action_rows.h).
template <class Context>
struct ActionRow {
  std::string_view name;
  Needs needs;
  Reply (*handler)(Context&, CallPtr, Arguments);
  int since = 0;
};

template <class Context>
struct Row {
  http::Verb verb;
  std::string_view path;  // within its place: "/volumes/{id}"
  Needs needs;
  Reply (*handler)(Context&, CallPtr);
  int since = 0;  // it came with microversion 3.<since>
  std::span<const ActionRow<Context>> actions = {};
};

template <class Context>
using RowsOf = std::span<const Row<Context>>;

enum class Scope : std::uint8_t {
  Any,
  Project,  // the token is one of a project, and of the one in the path if there is one
};

// Where the rows of a table are found. A row that came after `until` is not.
struct Place {
  std::string_view prefix;
  Scope scope = Scope::Project;
  int since = 0;
  int until = 1000;
};

template <class Context>
struct Table {
  RowsOf<Context> rows;
  std::span<const Place> places;
  const Envelope* envelope = &kCinderFaults;
};

template <class Context>
using Tables = std::vector<Table<Context>>;

// A row in one of its places.
struct RouteInfo {
  http::Verb verb;
  std::string pattern;
  Needs needs;
  Scope scope;
  int since;  // in that place
  int until;  // the last that is in that place
  const Envelope* envelope;
};

// visit(const RouteInfo&, const Row<Context>&) for each of them.
template <class Context, class Visit>
void for_each_route(const Tables<Context>& tables, const Visit& visit) {
  for (const Table<Context>& table : tables) {
    for (const Row<Context>& row : table.rows) {
      for (const Place& place : table.places) {
        if (row.since > place.until) continue;
        std::string pattern = std::string(place.prefix) + std::string(row.path);
        RouteInfo info{row.verb,    std::move(pattern), row.needs, place.scope, std::max(row.since, place.since),
                       place.until, table.envelope};
        visit(info, row);
      }
    }
  }
}

}  // namespace varve::api
