// The contract of the API (api/openapi.yaml), built in: as a page to read and as it is. Made by tools/render-api.
#pragma once

#include <string_view>

namespace varve::api::ops {

std::string_view docs_page();  // HTML
std::string_view openapi_yaml();

}  // namespace varve::api::ops
