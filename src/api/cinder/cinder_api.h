// The OpenStack Block Storage dialect, /v3 and /v2. Each file of this folder registers the routes of one kind of
// resource and maps JSON to calls of services/ and back; no rule lives here.
#pragma once

#include <string>

#include "api/common/dispatcher.h"
#include "api/common/services.h"

namespace varve::api::cinder {

class CinderApi {
 public:
  explicit CinderApi(Services services) : s_(services) {}

  void register_routes(Dispatcher& dispatcher);

 private:
  using Reply = boost::asio::awaitable<http::Response>;
  using Method = Reply (CinderApi::*)(CallPtr);

  // Under /v3/{project_id} and /v2/{project_id}, and under /v3 alone for microversion 3.67 and up.
  void route(Dispatcher& dispatcher, http::Verb method, const std::string& path, Method handler);

  // Of a resource that came with microversion 3.<minor>: under /v3 only, 404 below that.
  void route_since(Dispatcher& dispatcher, int minor, http::Verb method, const std::string& path, Method handler);

  void register_versions(Dispatcher& dispatcher);
  void register_volumes(Dispatcher& dispatcher);
  void register_snapshots(Dispatcher& dispatcher);
  void register_attachments(Dispatcher& dispatcher);
  void register_types(Dispatcher& dispatcher);
  void register_admin(Dispatcher& dispatcher);
  void register_transfers(Dispatcher& dispatcher);
  void register_messages(Dispatcher& dispatcher);
  void register_operation(Dispatcher& dispatcher);
  void register_images(Dispatcher& dispatcher);
  void register_backups(Dispatcher& dispatcher);
  void register_groups(Dispatcher& dispatcher);
  void register_consistency_groups(Dispatcher& dispatcher);
  void register_group_types(Dispatcher& dispatcher);
  void register_type_extras(Dispatcher& dispatcher);
  void register_managing(Dispatcher& dispatcher);
  void register_explaining(Dispatcher& dispatcher);

  Reply versions(CallPtr call);
  Reply version_v3(CallPtr call);
  Reply version_v2(CallPtr call);

  Reply create_volume(CallPtr call);
  Reply list_volumes(CallPtr call);
  Reply list_volumes_detail(CallPtr call);
  Reply volumes_summary(CallPtr call);
  Reply show_volume(CallPtr call);
  Reply update_volume(CallPtr call);
  Reply delete_volume(CallPtr call);
  Reply volume_usage(CallPtr call);
  Reply volume_metadata(CallPtr call);
  Reply set_volume_metadata(CallPtr call);
  Reply volume_metadata_item(CallPtr call);
  Reply set_volume_metadata_item(CallPtr call);
  Reply delete_volume_metadata_item(CallPtr call);
  Reply volume_action(CallPtr call);

  Reply create_snapshot(CallPtr call);
  Reply list_snapshots(CallPtr call);
  Reply list_snapshots_detail(CallPtr call);
  Reply show_snapshot(CallPtr call);
  Reply update_snapshot(CallPtr call);
  Reply delete_snapshot(CallPtr call);
  Reply snapshot_usage(CallPtr call);
  Reply snapshot_metadata(CallPtr call);
  Reply set_snapshot_metadata(CallPtr call);
  Reply snapshot_metadata_item(CallPtr call);
  Reply set_snapshot_metadata_item(CallPtr call);
  Reply delete_snapshot_metadata_item(CallPtr call);
  Reply snapshot_action(CallPtr call);

  Reply create_attachment(CallPtr call);
  Reply list_attachments(CallPtr call);
  Reply list_attachments_detail(CallPtr call);
  Reply show_attachment(CallPtr call);
  Reply update_attachment(CallPtr call);
  Reply delete_attachment(CallPtr call);
  Reply attachment_action(CallPtr call);

  Reply list_types(CallPtr call);
  Reply show_type(CallPtr call);
  Reply create_type(CallPtr call);
  Reply update_type(CallPtr call);
  Reply delete_type(CallPtr call);
  Reply type_access(CallPtr call);
  Reply type_action(CallPtr call);
  Reply extra_specs(CallPtr call);
  Reply create_extra_specs(CallPtr call);
  Reply extra_spec(CallPtr call);
  Reply update_extra_spec(CallPtr call);
  Reply delete_extra_spec(CallPtr call);

  Reply limits(CallPtr call);
  Reply quota_set(CallPtr call);
  Reply quota_defaults(CallPtr call);
  Reply update_quota_set(CallPtr call);
  Reply delete_quota_set(CallPtr call);
  Reply quota_class(CallPtr call);
  Reply update_quota_class(CallPtr call);
  Reply availability_zones(CallPtr call);
  Reply extensions(CallPtr call);
  Reply extension(CallPtr call);
  Reply list_services(CallPtr call);
  Reply update_service(CallPtr call);
  Reply list_hosts(CallPtr call);
  Reply show_host(CallPtr call);
  Reply capabilities(CallPtr call);
  Reply pools(CallPtr call);

  Reply list_messages(CallPtr call);
  Reply show_message(CallPtr call);
  Reply delete_message(CallPtr call);

  Reply create_transfer(CallPtr call);
  Reply list_transfers(CallPtr call);
  Reply list_transfers_detail(CallPtr call);
  Reply transfer_page(CallPtr call, bool detail);
  Reply show_transfer(CallPtr call);
  Reply delete_transfer(CallPtr call);
  Reply accept_transfer(CallPtr call);

  Reply create_backup(CallPtr call);
  Reply list_backups(CallPtr call);
  Reply list_backups_detail(CallPtr call);
  Reply show_backup(CallPtr call);
  Reply update_backup(CallPtr call);
  Reply delete_backup(CallPtr call);
  Reply restore_backup(CallPtr call);
  Reply backup_action(CallPtr call);
  Reply export_backup(CallPtr call);
  Reply import_backup(CallPtr call);
  Reply backup_page(CallPtr call, bool detail);

  Reply create_group(CallPtr call);
  Reply copy_group(CallPtr call);
  Reply list_groups(CallPtr call);
  Reply list_groups_detail(CallPtr call);
  Reply show_group(CallPtr call);
  Reply update_group(CallPtr call);
  Reply group_action(CallPtr call);
  Reply create_consistency_group(CallPtr call);
  Reply copy_consistency_group(CallPtr call);
  Reply list_consistency_groups(CallPtr call);
  Reply list_consistency_groups_detail(CallPtr call);
  Reply consistency_group_page(CallPtr call, bool detail);
  Reply show_consistency_group(CallPtr call);
  Reply update_consistency_group(CallPtr call);
  Reply delete_consistency_group(CallPtr call);
  Reply create_cgsnapshot(CallPtr call);
  Reply list_cgsnapshots(CallPtr call);
  Reply list_cgsnapshots_detail(CallPtr call);
  Reply cgsnapshot_page(CallPtr call, bool detail);
  Reply show_cgsnapshot(CallPtr call);
  Reply create_group_snapshot(CallPtr call);
  Reply list_group_snapshots(CallPtr call);
  Reply list_group_snapshots_detail(CallPtr call);
  Reply show_group_snapshot(CallPtr call);
  Reply delete_group_snapshot(CallPtr call);
  Reply group_snapshot_action(CallPtr call);
  Reply group_page(CallPtr call, bool detail);
  Reply group_snapshot_page(CallPtr call, bool detail);

  Reply list_group_types(CallPtr call);
  Reply create_group_type(CallPtr call);
  Reply show_group_type(CallPtr call);
  Reply update_group_type(CallPtr call);
  Reply delete_group_type(CallPtr call);
  Reply group_specs(CallPtr call);
  Reply set_group_specs(CallPtr call);
  Reply group_spec(CallPtr call);
  Reply set_group_spec(CallPtr call);
  Reply delete_group_spec(CallPtr call);

  Reply list_qos_specs(CallPtr call);
  Reply create_qos_spec(CallPtr call);
  Reply show_qos_spec(CallPtr call);
  Reply update_qos_spec(CallPtr call);
  Reply delete_qos_spec(CallPtr call);
  Reply delete_qos_keys(CallPtr call);
  Reply qos_associations(CallPtr call);
  Reply associate_qos(CallPtr call);
  Reply disassociate_qos(CallPtr call);
  Reply show_encryption(CallPtr call);
  Reply create_encryption(CallPtr call);
  Reply encryption_item(CallPtr call);
  Reply update_encryption(CallPtr call);
  Reply delete_encryption(CallPtr call);
  Reply list_default_types(CallPtr call);
  Reply show_default_type(CallPtr call);
  Reply set_default_type(CallPtr call);
  Reply clear_default_type(CallPtr call);

  Reply list_manageable(CallPtr call);
  Reply manage_volume(CallPtr call);
  Reply manage_snapshot(CallPtr call);
  Reply volume_encryption(CallPtr call);
  Reply resource_filters(CallPtr call);
  Reply list_clusters(CallPtr call);
  Reply show_cluster(CallPtr call);
  Reply cleanup_workers(CallPtr call);
  Reply set_log(CallPtr call);
  Reply get_log(CallPtr call);
  Reply failover_host(CallPtr call);

  Reply explain_volume(CallPtr call);
  Reply explain_snapshot(CallPtr call);
  Reply explain_backup(CallPtr call);
  Reply explain_attachment(CallPtr call);

  Reply image_versions(CallPtr call);
  Reply list_images(CallPtr call);
  Reply show_image(CallPtr call);

  Reply snapshot_page(CallPtr call, bool detail);
  Reply volume_page(CallPtr call, bool detail);
  Reply attachment_page(CallPtr call, bool detail);

  Services s_;
};

}  // namespace varve::api::cinder
