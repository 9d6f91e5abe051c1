#include "api/common/action_rows.h"

namespace varve::api {

namespace json = boost::json;

Arguments read_action(const http::Request& request) {
  json::object body = parse_body(request);
  if (body.size() != 1) {
    throw Error(ErrorCode::InvalidInput,
                "Malformed request body: exactly one action is wanted, not " + std::to_string(body.size()) + ".");
  }
  std::string name(body.begin()->key());
  return {std::move(name), std::move(body.begin()->value())};
}

std::string Arguments::only(std::string_view field) const {
  Fields present = fields();
  std::string text = present.required_text(field);
  present.finish();
  return text;
}

void unknown_action(const std::string& name) {
  throw Error(ErrorCode::InvalidInput, "There is no such action: " + name.substr(0, 100) +
                                           ". Verify the request body and Content-Type header and try again.");
}

}  // namespace varve::api
