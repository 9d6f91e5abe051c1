#include "api/ops/ops_api.h"

#include <boost/json.hpp>

#include "api/ops/docs.h"
#include "base/error.h"
#include "base/log.h"

namespace varve::api::ops {

namespace json = boost::json;

namespace {

boost::asio::awaitable<http::Response> serve_document(std::string type, std::string_view text) {
  http::Response response;
  response.content_type = std::move(type);
  response.body = text;
  co_return response;
}

void add_document(Dispatcher& dispatcher, std::string_view path, const std::string& type, std::string_view text) {
  Handler serve = [type, text](CallPtr) { return serve_document(type, text); };
  dispatcher.add(http::Verb::get, path, Access::Public, serve);
}

std::string_view state_of(const backends::Capacity& room) {
  if (room.unavailable) return "unavailable";
  if (room.read_only) return "read-only";
  return room.full ? "full" : "ready";
}

// Can anything be read?
boost::asio::awaitable<bool> is_readable(store::Database& db) {
  try {
    co_await db.read([](store::Transaction& tx) { tx.volume_types().find(VolumeTypeId("")); });
    co_return true;
  } catch (const Error& fault) {
    log::warning("the store is not ready", {{"error", fault.message()}});
    co_return false;
  }
}

}  // namespace

void OpsApi::register_routes(Dispatcher& dispatcher) {
  Handler health = [this](CallPtr call) { return this->health(std::move(call)); };
  Handler ready = [this](CallPtr call) { return this->ready(std::move(call)); };
  dispatcher.add(http::Verb::get, "/healthz", Access::Public, health);
  dispatcher.add(http::Verb::get, "/healthcheck", Access::Public, health);
  dispatcher.add(http::Verb::get, "/readyz", Access::Public, ready);
  add_document(dispatcher, "/docs", "text/html; charset=utf-8", docs_page());
  add_document(dispatcher, "/docs/openapi.yaml", "application/yaml", openapi_yaml());
}

boost::asio::awaitable<http::Response> OpsApi::health(CallPtr) {
  http::Response response;
  response.body = R"({"detailed": false, "reasons": ["OK"]})";
  co_return response;
}

boost::asio::awaitable<http::Response> OpsApi::ready(CallPtr) {
  bool ready = !draining_() && db_.takes_changes() && co_await is_readable(db_);
  json::array pools;
  for (const std::string& name : backend_.pools()) {
    backends::Capacity room = backend_.capacity(name);
    pools.push_back(json::object{{"name", name}, {"free_mib", room.available >> 20}, {"state", state_of(room)}});
  }
  http::Response response;
  response.status = ready ? 200 : 503;
  response.body =
      json::serialize(json::object{{"ready", ready}, {"tasks", tasks_.waiting()}, {"pools", std::move(pools)}});
  co_return response;
}

}  // namespace varve::api::ops
