#include "api/cinder/cinder_api.h"

#include <algorithm>

namespace varve::api::cinder {

namespace {

// Microversions below 3.67 want the project in the URL.
constexpr int kWithoutProject = 67;

Handler since(int minor, const Handler& handler) {
  return [minor, handler](CallPtr call) {
    call->require_version(minor);
    return handler(std::move(call));
  };
}

}  // namespace

void CinderApi::route(Dispatcher& dispatcher, http::Verb method, const std::string& path, Method handler) {
  Handler call_it = [this, handler](CallPtr call) { return (this->*handler)(std::move(call)); };
  dispatcher.add(method, "/v3/{project_id}" + path, Access::Project, call_it);
  dispatcher.add(method, "/v2/{project_id}" + path, Access::Project, call_it);
  dispatcher.add(method, "/v3" + path, Access::Project, since(kWithoutProject, call_it));
}

void CinderApi::route_since(Dispatcher& dispatcher, int minor, http::Verb method, const std::string& path,
                            Method handler) {
  Handler call_it = [this, handler](CallPtr call) { return (this->*handler)(std::move(call)); };
  dispatcher.add(method, "/v3/{project_id}" + path, Access::Project, since(minor, call_it));
  dispatcher.add(method, "/v3" + path, Access::Project, since(std::max(minor, kWithoutProject), call_it));
}

void CinderApi::register_routes(Dispatcher& dispatcher) {
  register_versions(dispatcher);
  register_volumes(dispatcher);
  register_snapshots(dispatcher);
  register_attachments(dispatcher);
  register_types(dispatcher);
  register_admin(dispatcher);
  register_operation(dispatcher);
  register_transfers(dispatcher);
  register_messages(dispatcher);
  register_images(dispatcher);
  register_backups(dispatcher);
  register_groups(dispatcher);
  register_consistency_groups(dispatcher);
  register_group_types(dispatcher);
  register_type_extras(dispatcher);
  register_managing(dispatcher);
  register_explaining(dispatcher);
}

}  // namespace varve::api::cinder
