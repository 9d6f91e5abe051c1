// The version documents: what a client reads before anything else.

#include <boost/json.hpp>

#include "api/cinder/rows.h"
#include "api/common/resource_views.h"

namespace varve::api::cinder {

using http::Verb;

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

Reply versions(Services& s, CallPtr call) {
  co_return json_reply(
      300, json::object{{"versions", json::array{version_entry(*call, false), version_entry(*call, true)}}});
}

Reply version_v3(Services& s, CallPtr call) {
  co_return json_reply(200, json::object{{"versions", json::array{version_entry(*call, true)}}});
}

Reply version_v2(Services& s, CallPtr call) {
  co_return json_reply(200, json::object{{"versions", json::array{version_entry(*call, false)}}});
}

constexpr Row<Services> kRows[] = {
    {Verb::get, "/", "anyone", versions},      {Verb::get, "/v3", "anyone", version_v3},
    {Verb::get, "/v3/", "anyone", version_v3}, {Verb::get, "/v2", "anyone", version_v2},
    {Verb::get, "/v2/", "anyone", version_v2},
};

}  // namespace

Rows versions_rows() {
  return kRows;
}

}  // namespace varve::api::cinder
