// The part of Keystone's v3 API that clients of a block-storage service use, over the embedded identity.
// Sources: OpenStack's Identity API reference, v3; for custom policies (OS-ROLE) and access keys (OS-CREDENTIAL) the
// IAM of the clouds that offer EVS.
#pragma once

#include "api/common/dispatcher.h"
#include "api/identity/identity_views.h"
#include "identity/directory.h"

namespace varve::api::identity_v3 {

class IdentityApi {
 public:
  IdentityApi(identity::Directory& directory, Catalog catalog) : directory_(directory), catalog_(std::move(catalog)) {}

  void register_routes(Dispatcher& dispatcher);

 private:
  using Reply = boost::asio::awaitable<http::Response>;
  using Method = Reply (IdentityApi::*)(CallPtr);
  void route(Dispatcher& dispatcher, http::Verb method, const std::string& path, Access access, Method handler);
  void register_management(Dispatcher& dispatcher);
  void register_groups(Dispatcher& dispatcher);
  void register_iam(Dispatcher& dispatcher);
  void register_assignments(Dispatcher& dispatcher);

  Reply versions(CallPtr call);
  Reply version(CallPtr call);
  Reply login(CallPtr call);
  Reply show_token(CallPtr call);
  Reply revoke_token(CallPtr call);
  Reply catalog(CallPtr call);
  Reply services(CallPtr call);
  Reply endpoints(CallPtr call);
  Reply regions(CallPtr call);
  Reply own_projects(CallPtr call);
  Reply own_domains(CallPtr call);
  Reply own_system(CallPtr call);

  Reply list_domains(CallPtr call);
  Reply show_domain(CallPtr call);
  Reply create_domain(CallPtr call);
  Reply update_domain(CallPtr call);
  Reply delete_domain(CallPtr call);
  Reply list_projects(CallPtr call);
  Reply show_project(CallPtr call);
  Reply create_project(CallPtr call);
  Reply update_project(CallPtr call);
  Reply delete_project(CallPtr call);
  Reply list_users(CallPtr call);
  Reply show_user(CallPtr call);
  Reply create_user(CallPtr call);
  Reply update_user(CallPtr call);
  Reply change_password(CallPtr call);
  Reply delete_user(CallPtr call);
  Reply user_projects(CallPtr call);
  Reply list_roles(CallPtr call);
  Reply show_role(CallPtr call);
  Reply create_role(CallPtr call);
  Reply update_role(CallPtr call);
  Reply delete_role(CallPtr call);

  Reply list_groups(CallPtr call);
  Reply show_group(CallPtr call);
  Reply create_group(CallPtr call);
  Reply update_group(CallPtr call);
  Reply delete_group(CallPtr call);
  Reply group_members(CallPtr call);
  Reply check_member(CallPtr call);
  Reply add_member(CallPtr call);
  Reply remove_member(CallPtr call);
  Reply user_groups(CallPtr call);

  Reply list_policies(CallPtr call);
  Reply show_policy(CallPtr call);
  Reply create_policy(CallPtr call);
  Reply update_policy(CallPtr call);
  Reply delete_policy(CallPtr call);

  Reply list_access_keys(CallPtr call);
  Reply show_access_key(CallPtr call);
  Reply create_access_key(CallPtr call);
  Reply update_access_key(CallPtr call);
  Reply delete_access_key(CallPtr call);

  Reply list_assignments(CallPtr call);
  boost::asio::awaitable<boost::json::object> domain_reference(std::string id);
  Reply target_roles(CallPtr call);
  Reply assign(CallPtr call);
  Reply check_assignment(CallPtr call);
  Reply unassign(CallPtr call);

  Reply list_credentials(CallPtr call);
  Reply show_credential(CallPtr call);
  Reply create_credential(CallPtr call);
  Reply delete_credential(CallPtr call);

  identity::Directory& directory_;
  const Catalog catalog_;
};

}  // namespace varve::api::identity_v3
