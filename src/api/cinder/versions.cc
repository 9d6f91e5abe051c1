// The version documents: what a client reads before anything else.

#include <boost/json.hpp>

#include "api/cinder/cinder_api.h"
#include "api/common/resource_views.h"

namespace varve::api::cinder {

namespace {

json::object version_entry(const Call& call, bool v3) {
  std::string base = call.base_url + (v3 ? "/v3/" : "/v2/");
  json::array links{
      json::object{{"rel", "describedby"}, {"type", "text/html"}, {"href", "https://docs.openstack.org/"}},
      json::object{{"rel", "self"}, {"href", base}}};
  std::string media = std::string("application/vnd.openstack.volume+json;version=") + (v3 ? "3" : "2");
  json::object entry{{"id", v3 ? "v3.0" : "v2.0"}, {"status", v3 ? "CURRENT" : "SUPPORTED"}};
  entry["version"] = v3 ? kNewest.text() : "";
  entry["min_version"] = v3 ? kOldest.text() : "";
  entry["updated"] = v3 ? "2022-08-31T00:00:00Z" : "2014-06-28T12:20:21Z";
  entry["links"] = std::move(links);
  entry["media-types"] = json::array{json::object{{"base", "application/json"}, {"type", media}}};
  return entry;
}

}  // namespace

void CinderApi::register_versions(Dispatcher& dispatcher) {
  auto add = [&](const char* path, Method handler) {
    Handler call_it = [this, handler](CallPtr call) { return (this->*handler)(std::move(call)); };
    dispatcher.add(http::Verb::get, path, Access::Public, call_it);
  };
  add("/", &CinderApi::versions);
  add("/v3", &CinderApi::version_v3);
  add("/v3/", &CinderApi::version_v3);
  add("/v2", &CinderApi::version_v2);
  add("/v2/", &CinderApi::version_v2);
}

CinderApi::Reply CinderApi::versions(CallPtr call) {
  co_return json_reply(
      300, json::object{{"versions", json::array{version_entry(*call, false), version_entry(*call, true)}}});
}

CinderApi::Reply CinderApi::version_v3(CallPtr call) {
  co_return json_reply(200, json::object{{"versions", json::array{version_entry(*call, true)}}});
}

CinderApi::Reply CinderApi::version_v2(CallPtr call) {
  co_return json_reply(200, json::object{{"versions", json::array{version_entry(*call, false)}}});
}

}  // namespace varve::api::cinder
