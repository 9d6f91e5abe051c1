#include "api/cinder/cinder_api.h"

#include "base/error.h"

namespace varve::api::cinder {

void CinderApi::route(Dispatcher& dispatcher, http::Verb method, const std::string& path, Method handler) {
  Handler call_it = [this, handler](CallPtr call) { return (this->*handler)(std::move(call)); };
  dispatcher.add(method, "/v3/{project_id}" + path, Access::Project, call_it);
  dispatcher.add(method, "/v2/{project_id}" + path, Access::Project, call_it);
  Handler since_3_67 = [call_it](CallPtr call) {
    if (!call->version.at_least(67))
      throw Error(ErrorCode::UnknownRoute, "The resource could not be found: no such path.");
    return call_it(std::move(call));
  };
  dispatcher.add(method, "/v3" + path, Access::Project, since_3_67);
}

void CinderApi::register_routes(Dispatcher& dispatcher) {
  register_versions(dispatcher);
  register_volumes(dispatcher);
  register_snapshots(dispatcher);
  register_attachments(dispatcher);
  register_types(dispatcher);
  register_admin(dispatcher);
  register_transfers(dispatcher);
  register_messages(dispatcher);
  register_images(dispatcher);
}

}  // namespace varve::api::cinder
