// The EVS dialect: cloudvolumes, os-vendor-volumes, cloudsnapshots, jobs, tags, and truthful refusals of what EVS has
// deprecated. Under /v2 and /v3; jobs and the legacy volume under /v1 too. Source: the EVS API reference; replies of
// changes are jobs, errors {"error": {"code", "message"}} with the codes of that reference.
#pragma once

#include <string>

#include "api/common/dispatcher.h"
#include "api/common/services.h"
#include "services/jobs.h"

namespace varve::api::evs {

class EvsApi {
 public:
  EvsApi(Services services, services::Jobs& jobs) : s_(services), jobs_(jobs) {}

  void register_routes(Dispatcher& dispatcher);

 private:
  using Reply = boost::asio::awaitable<http::Response>;
  using Method = Reply (EvsApi::*)(CallPtr);

  // Under /v2/{project_id} and /v3/{project_id}.
  void route(Dispatcher& dispatcher, http::Verb method, const std::string& path, Method handler);
  void route_v1(Dispatcher& dispatcher, const std::string& path, Method handler);

  void register_volumes(Dispatcher& dispatcher);
  void register_snapshots(Dispatcher& dispatcher);
  void register_tags(Dispatcher& dispatcher);
  void register_resource_tags(Dispatcher& dispatcher);
  void register_refusals(Dispatcher& dispatcher);

  Reply create_volumes(CallPtr call);
  Reply list_volumes(CallPtr call);
  Reply list_volumes_detail(CallPtr call);
  Reply show_volume(CallPtr call);
  Reply update_volume(CallPtr call);
  Reply delete_volume(CallPtr call);
  Reply volume_action(CallPtr call);
  Reply retype_volume(CallPtr call);
  Reply internal_info(CallPtr call);
  Reply show_legacy_volume(CallPtr call);
  Reply volume_page(CallPtr call, bool detail);

  Reply show_job(CallPtr call);

  Reply create_snapshot(CallPtr call);
  Reply list_snapshots_detail(CallPtr call);
  Reply show_snapshot(CallPtr call);
  Reply update_snapshot(CallPtr call);
  Reply delete_snapshot(CallPtr call);
  Reply rollback_snapshot(CallPtr call);

  Reply volume_tags(CallPtr call);
  Reply change_volume_tags(CallPtr call);
  Reply find_volumes_by_tag(CallPtr call);

  Reply all_tags(CallPtr call);
  Reply find_resources_by_tag(CallPtr call);
  Reply resource_tags(CallPtr call);
  Reply set_resource_tags(CallPtr call);
  Reply delete_resource_tags(CallPtr call);
  Reply resource_tag(CallPtr call);
  Reply set_resource_tag(CallPtr call);
  Reply delete_resource_tag(CallPtr call);

  Reply refuse_replication(CallPtr call);

  Services s_;
  services::Jobs& jobs_;
};

}  // namespace varve::api::evs
