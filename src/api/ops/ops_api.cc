#include "api/ops/ops_api.h"

#include <boost/json.hpp>

namespace varve::api::ops {

namespace json = boost::json;

void OpsApi::register_routes(Dispatcher& dispatcher) {
  Handler health = [this](CallPtr call) { return this->health(std::move(call)); };
  Handler ready = [this](CallPtr call) { return this->ready(std::move(call)); };
  dispatcher.add(http::Verb::get, "/healthz", Access::Public, health);
  dispatcher.add(http::Verb::get, "/healthcheck", Access::Public, health);
  dispatcher.add(http::Verb::get, "/readyz", Access::Public, ready);
}

boost::asio::awaitable<http::Response> OpsApi::health(CallPtr) {
  http::Response response;
  response.body = R"({"detailed": false, "reasons": ["OK"]})";
  co_return response;
}

boost::asio::awaitable<http::Response> OpsApi::ready(CallPtr) {
  store::Work probe = [](store::Transaction& tx) { tx.volume_types().find(VolumeTypeId("")); };
  db_.read(probe);
  bool draining = draining_();
  http::Response response;
  response.status = draining ? 503 : 200;
  response.body = json::serialize(json::object{{"ready", !draining}, {"tasks", tasks_.waiting()}});
  co_return response;
}

}  // namespace varve::api::ops
