// openstackclient asks for an Image endpoint before it creates any volume, used or not. Ours says the truth: it is an
// Image API v2 without images, and none can be made.

#include <boost/json.hpp>

#include "api/cinder/cinder_api.h"
#include "api/common/resource_views.h"
#include "base/error.h"

namespace varve::api::cinder {

void CinderApi::register_images(Dispatcher& dispatcher) {
  auto add = [&](const char* path, Access access, Method handler) {
    Handler call_it = [this, handler](CallPtr call) { return (this->*handler)(std::move(call)); };
    dispatcher.add(http::Verb::get, path, access, call_it);
  };
  add("/image", Access::Public, &CinderApi::image_versions);
  add("/image/", Access::Public, &CinderApi::image_versions);
  add("/image/v2/images", Access::Token, &CinderApi::list_images);
  add("/image/v2/images/{id}", Access::Token, &CinderApi::show_image);
}

CinderApi::Reply CinderApi::image_versions(CallPtr call) {
  json::array links{json::object{{"rel", "self"}, {"href", call->base_url + "/image/v2/"}}};
  json::object version{{"id", "v2.9"}, {"status", "CURRENT"}, {"links", std::move(links)}};
  co_return json_reply(300, json::object{{"versions", json::array{std::move(version)}}});
}

CinderApi::Reply CinderApi::list_images(CallPtr) {
  co_return json_reply(
      200, json::object{{"images", json::array()}, {"first", "/v2/images"}, {"schema", "/v2/schemas/images"}});
}

CinderApi::Reply CinderApi::show_image(CallPtr call) {
  throw Error(ErrorCode::NotFound,
              "No image found with ID " + call->path.get("id") + ": this service keeps no images.");
  co_return http::Response();
}

}  // namespace varve::api::cinder
