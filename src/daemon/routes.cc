#include "daemon/routes.h"

#include <algorithm>
#include <boost/beast/http/verb.hpp>
#include <boost/json.hpp>
#include <cstdio>
#include <string>

#include "api/cinder/cinder_api.h"
#include "api/evs/evs_api.h"
#include "api/identity/identity_api.h"
#include "api/ops/ops_api.h"

namespace varve::daemon {

namespace json = boost::json;

namespace {

std::string version_of(int since) {
  return "3." + std::to_string(since);
}

json::object entry(const api::RouteInfo& route) {
  auto verb = boost::beast::http::to_string(route.verb);
  return {{"verb", std::string_view(verb.data(), verb.size())},
          {"path", route.pattern},
          {"needs", route.needs.words()},
          {"since", version_of(route.since)},
          {"envelope", route.envelope->name}};
}

template <class Context>
void add(json::array& out, const api::Tables<Context>& tables) {
  api::for_each_route(tables, [&](const api::RouteInfo& route, const api::Row<Context>& row) {
    json::object one = entry(route);
    json::array actions;
    for (const auto& action : row.actions) {
      if (action.since > route.until) continue;
      actions.push_back(json::object{{"name", action.name},
                                     {"needs", action.needs.words()},
                                     {"since", version_of(std::max(route.since, action.since))}});
    }
    if (!actions.empty()) one["actions"] = std::move(actions);
    out.push_back(std::move(one));
  });
}

void print(const char* verb, const std::string& path, const json::object& what) {
  std::printf("%-7s %-72s %-5s %s\n", verb, path.c_str(), what.at("since").as_string().c_str(),
              what.at("needs").as_string().c_str());
}

}  // namespace

int list_routes(bool as_json) {
  json::array routes;
  add(routes, api::identity_v3::tables());
  add(routes, api::cinder::tables());
  add(routes, api::evs::tables());
  add(routes, api::ops::tables());
  if (as_json) {
    std::puts(json::serialize(routes).c_str());
    return 0;
  }
  for (const json::value& route : routes) {
    const json::object& one = route.get_object();
    print(one.at("verb").as_string().c_str(), std::string(one.at("path").as_string()), one);
    if (!one.contains("actions")) continue;
    for (const json::value& action : one.at("actions").get_array()) {
      print("", "  " + std::string(action.at("name").as_string()), action.get_object());
    }
  }
  return 0;
}

}  // namespace varve::daemon
