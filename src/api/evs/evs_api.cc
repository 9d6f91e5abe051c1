#include "api/evs/evs_api.h"

#include "base/error.h"

namespace varve::api::evs {

void EvsApi::route(Dispatcher& dispatcher, http::Verb method, const std::string& path, Method handler) {
  Handler call_it = [this, handler](CallPtr call) { return (this->*handler)(std::move(call)); };
  dispatcher.add(method, "/v2/{project_id}" + path, Access::Project, call_it);
  dispatcher.add(method, "/v3/{project_id}" + path, Access::Project, call_it);
}

void EvsApi::route_v1(Dispatcher& dispatcher, const std::string& path, Method handler) {
  Handler call_it = [this, handler](CallPtr call) { return (this->*handler)(std::move(call)); };
  dispatcher.add(http::Verb::get, "/v1/{project_id}" + path, Access::Project, call_it);
}

void EvsApi::register_routes(Dispatcher& dispatcher) {
  register_volumes(dispatcher);
  register_snapshots(dispatcher);
  register_tags(dispatcher);
  register_resource_tags(dispatcher);
  register_refusals(dispatcher);
}

// EVS has deprecated these without a successor: there is nothing to replicate to here.
void EvsApi::register_refusals(Dispatcher& d) {
  using http::Verb;
  for (const std::string& kind :
       {std::string("/os-vendor-replications"), std::string("/os-vendor-replication-consistency-groups")}) {
    route(d, Verb::post, kind, &EvsApi::refuse_replication);
    route(d, Verb::get, kind, &EvsApi::refuse_replication);
    route(d, Verb::get, kind + "/{id}", &EvsApi::refuse_replication);
    route(d, Verb::delete_, kind + "/{id}", &EvsApi::refuse_replication);
  }
  const std::string group = "/os-vendor-replication-consistency-groups/{id}";
  route(d, Verb::put, group, &EvsApi::refuse_replication);
  route(d, Verb::post, group + "/action", &EvsApi::refuse_replication);
}

EvsApi::Reply EvsApi::refuse_replication(CallPtr) {
  throw Error(ErrorCode::Unimplemented,
              "EVS replication pairs and replication consistency groups are deprecated and not offered here.");
  co_return http::Response();
}

}  // namespace varve::api::evs
