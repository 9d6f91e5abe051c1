// openstackclient asks for an Image endpoint before it creates any volume, used or not. Ours says the truth: it is an
// Image API v2 without images, and none can be made.

#include <boost/json.hpp>

#include "api/cinder/rows.h"
#include "api/common/resource_views.h"
#include "base/error.h"

namespace varve::api::cinder {

using http::Verb;

namespace {

Reply image_versions(Services& s, CallPtr call) {
  json::array links{json::object{{"rel", "self"}, {"href", call->base_url + "/image/v2/"}}};
  json::object version{{"id", "v2.9"}, {"status", "CURRENT"}, {"links", std::move(links)}};
  co_return json_reply(300, json::object{{"versions", json::array{std::move(version)}}});
}

Reply list_images(Services& s, CallPtr) {
  co_return json_reply(
      200, json::object{{"images", json::array()}, {"first", "/v2/images"}, {"schema", "/v2/schemas/images"}});
}

Reply show_image(Services& s, CallPtr call) {
  throw Error(ErrorCode::NotFound,
              "No image found with ID " + call->path.get("id") + ": this service keeps no images.");
  co_return http::Response();
}

constexpr Row<Services> kRows[] = {
    {Verb::get, "/image", "anyone", image_versions},
    {Verb::get, "/image/", "anyone", image_versions},
    {Verb::get, "/image/v2/images", "token", list_images},
    {Verb::get, "/image/v2/images/{id}", "token", show_image},
};

}  // namespace

Rows images_rows() {
  return kRows;
}

}  // namespace varve::api::cinder
