#include "api/ops/ops_api.h"

#include <boost/json.hpp>

#include "api/common/dispatcher.h"
#include "api/ops/docs.h"

namespace varve::api::ops {

namespace json = boost::json;

namespace {

std::string_view state_of(const services::Capacity& room) {
  if (room.unavailable) return "unavailable";
  if (room.read_only) return "read-only";
  return room.full ? "full" : "ready";
}

// The process answers.
Reply health(Context&, CallPtr) {
  http::Response response;
  response.body = R"({"detailed": false, "reasons": ["OK"]})";
  co_return response;
}

// The database answers and takes changes, and nothing is shutting down; which pools have room.
Reply ready(Context& c, CallPtr) {
  services::Readiness found = co_await c.health.look();
  bool ready = found.ready && !c.draining;
  json::array pools;
  for (const services::Pool& pool : c.pools.all()) {
    const services::Capacity& room = found.pools.at(pool.name);
    pools.push_back(json::object{{"name", pool.name}, {"free_mib", room.available >> 20}, {"state", state_of(room)}});
  }
  http::Response response;
  response.status = ready ? 200 : 503;
  response.body = json::serialize(json::object{{"ready", ready}, {"tasks", found.tasks}, {"pools", std::move(pools)}});
  co_return response;
}

http::Response document(std::string type, std::string_view text) {
  http::Response response;
  response.content_type = std::move(type);
  response.body = text;
  return response;
}

Reply docs(Context&, CallPtr) {
  co_return document("text/html; charset=utf-8", docs_page());
}

Reply contract(Context&, CallPtr) {
  co_return document("application/yaml", openapi_yaml());
}

using http::Verb;

constexpr Row<Context> kRows[] = {
    {Verb::get, "/healthz", "anyone", health},
    {Verb::get, "/healthcheck", "anyone", health},
    {Verb::get, "/readyz", "anyone", ready},
    {Verb::get, "/docs", "anyone", docs},
    {Verb::get, "/docs/openapi.yaml", "anyone", contract},
};
constexpr Place kPlaces[] = {{"", Scope::Any}};

}  // namespace

Tables<Context> tables() {
  return {{kRows, kPlaces}};
}

}  // namespace varve::api::ops
