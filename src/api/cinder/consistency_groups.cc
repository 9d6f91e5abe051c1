// Consistency groups and their snapshots: what Cinder had before there were groups (3.13), and still answers with them.

#include <boost/json.hpp>

#include "api/cinder/cinder_api.h"
#include "api/cinder/filters.h"
#include "api/common/body.h"
#include "api/common/paging.h"
#include "api/common/replies.h"
#include "base/text.h"
#include "services/group_types.h"

namespace varve::api::cinder {

using http::Verb;
using model::GroupSnapshot;
using model::VolumeGroup;
using services::GroupDetail;

namespace {

json::object group_summary(const VolumeGroup& group) {
  return {{"id", group.id.str()}, {"name", text_or_null(group.name)}};
}

json::object group_detail(const VolumeGroup& group) {
  json::object out = group_summary(group);
  out["status"] = to_string(group.status);
  out["availability_zone"] = group.availability_zone;
  out["created_at"] = format_time(group.created_at);
  out["description"] = text_or_null(group.description);
  json::array types;
  for (const std::string& id : split(group.volume_types, ',')) types.emplace_back(id);
  out["volume_types"] = std::move(types);
  return out;
}

json::object snapshot_summary(const GroupSnapshot& snapshot) {
  return {{"id", snapshot.id.str()}, {"name", text_or_null(snapshot.name)}};
}

json::object snapshot_detail(const GroupSnapshot& snapshot) {
  json::object out = snapshot_summary(snapshot);
  out["consistencygroup_id"] = snapshot.group_id.str();
  out["status"] = to_string(snapshot.status);
  out["created_at"] = format_time(snapshot.created_at);
  out["description"] = text_or_null(snapshot.description);
  return out;
}

}  // namespace

void CinderApi::register_consistency_groups(Dispatcher& d) {
  route(d, Verb::post, "/consistencygroups", &CinderApi::create_consistency_group);
  route(d, Verb::post, "/consistencygroups/create_from_src", &CinderApi::copy_consistency_group);
  route(d, Verb::get, "/consistencygroups", &CinderApi::list_consistency_groups);
  route(d, Verb::get, "/consistencygroups/detail", &CinderApi::list_consistency_groups_detail);
  route(d, Verb::get, "/consistencygroups/{id}", &CinderApi::show_consistency_group);
  route(d, Verb::put, "/consistencygroups/{id}", &CinderApi::update_consistency_group);
  route(d, Verb::put, "/consistencygroups/{id}/update", &CinderApi::update_consistency_group);
  route(d, Verb::post, "/consistencygroups/{id}/delete", &CinderApi::delete_consistency_group);
  route(d, Verb::post, "/cgsnapshots", &CinderApi::create_cgsnapshot);
  route(d, Verb::get, "/cgsnapshots", &CinderApi::list_cgsnapshots);
  route(d, Verb::get, "/cgsnapshots/detail", &CinderApi::list_cgsnapshots_detail);
  route(d, Verb::get, "/cgsnapshots/{id}", &CinderApi::show_cgsnapshot);
  route(d, Verb::delete_, "/cgsnapshots/{id}", &CinderApi::delete_group_snapshot);
}

CinderApi::Reply CinderApi::create_consistency_group(CallPtr call) {
  Body body(*call->request, "consistencygroup");
  Fields& fields = body.fields();
  services::GroupSpec spec;
  spec.name = fields.text("name");
  spec.description = fields.text("description");
  spec.group_type = services::kConsistencyGroupType;
  spec.volume_types = fields.comma_list("volume_types");
  spec.availability_zone = fields.text("availability_zone");
  // Sent by clients, which take them from the token.
  for (const char* of_token : {"user_id", "project_id", "status"}) fields.ignore(of_token);
  fields.finish();
  VolumeGroup made = co_await s_.groups.create(call->actor, std::move(spec));
  co_return json_reply(202, json::object{{"consistencygroup", group_summary(made)}});
}

CinderApi::Reply CinderApi::copy_consistency_group(CallPtr call) {
  Body body(*call->request, "consistencygroup-from-src");
  Fields& fields = body.fields();
  services::GroupCopySpec spec;
  spec.name = fields.text("name");
  spec.description = fields.text("description");
  spec.group_snapshot_id = fields.uuid("cgsnapshot_id");
  spec.source_group_id = fields.uuid("source_cgid");
  for (const char* of_token : {"user_id", "project_id", "status"}) fields.ignore(of_token);
  fields.finish();
  if (spec.group_snapshot_id.has_value() == spec.source_group_id.has_value()) {
    Fields::refuse("consistencygroup-from-src", json::object(), "One of 'cgsnapshot_id' and 'source_cgid' is wanted");
  }
  VolumeGroup made = co_await s_.groups.copy(call->actor, std::move(spec));
  co_return json_reply(202, json::object{{"consistencygroup", group_summary(made)}});
}

CinderApi::Reply CinderApi::list_consistency_groups(CallPtr call) {
  return consistency_group_page(std::move(call), false);
}
CinderApi::Reply CinderApi::list_consistency_groups_detail(CallPtr call) {
  return consistency_group_page(std::move(call), true);
}

CinderApi::Reply CinderApi::consistency_group_page(CallPtr call, bool detail) {
  model::PageQuery query = parse_page(*call, group_list());
  model::Page<GroupDetail> page = s_.groups.list(query, false);
  json::array items;
  for (const GroupDetail& row : page.rows) {
    items.push_back(detail ? group_detail(row.group) : group_summary(row.group));
  }
  co_return json_reply(200, list_view(*call, "consistencygroups", query, std::move(items), page.count));
}

CinderApi::Reply CinderApi::show_consistency_group(CallPtr call) {
  GroupDetail detail = s_.groups.show(call->actor, GroupId(call->path.get("id")));
  co_return json_reply(200, json::object{{"consistencygroup", group_detail(detail.group)}});
}

CinderApi::Reply CinderApi::update_consistency_group(CallPtr call) {
  Body body(*call->request, "consistencygroup");
  Fields& fields = body.fields();
  services::GroupChange change;
  std::optional<std::string> name = fields.text("name");
  std::optional<std::string> description = fields.text("description");
  change.add_volumes = fields.comma_list("add_volumes");
  change.remove_volumes = fields.comma_list("remove_volumes");
  fields.finish();
  // Since 3.6 both may be emptied.
  bool may_empty = call->version.at_least(6);
  if (name && (may_empty || !name->empty())) change.name = name;
  if (description && (may_empty || !description->empty())) change.description = description;
  if (!change.name && !change.description && change.add_volumes.empty() && change.remove_volumes.empty()) {
    Fields::refuse("consistencygroup", json::object(),
                   "One of name, description, add_volumes and remove_volumes is wanted");
  }
  co_await s_.groups.update(call->actor, GroupId(call->path.get("id")), std::move(change));
  co_return empty_reply(202);
}

// Without a body, and with an empty one: only a group that has no volumes.
CinderApi::Reply CinderApi::delete_consistency_group(CallPtr call) {
  bool with_volumes = false;
  if (!call->request->body.empty() && !parse_body(*call->request).empty()) {
    Body body(*call->request, "consistencygroup");
    with_volumes = body.fields().boolean("force").value_or(false);
    body.fields().finish();
  }
  co_await s_.groups.remove(call->actor, GroupId(call->path.get("id")), with_volumes);
  co_return empty_reply(202);
}

CinderApi::Reply CinderApi::create_cgsnapshot(CallPtr call) {
  Body body(*call->request, "cgsnapshot");
  Fields& fields = body.fields();
  services::GroupSnapshotSpec spec;
  spec.group_id = GroupId(fields.required_uuid("consistencygroup_id"));
  spec.name = fields.text("name");
  spec.description = fields.text("description");
  for (const char* of_token : {"user_id", "project_id", "status"}) fields.ignore(of_token);
  fields.finish();
  GroupSnapshot made = co_await s_.groups.create_snapshot(call->actor, std::move(spec));
  co_return json_reply(202, json::object{{"cgsnapshot", snapshot_summary(made)}});
}

CinderApi::Reply CinderApi::list_cgsnapshots(CallPtr call) {
  return cgsnapshot_page(std::move(call), false);
}
CinderApi::Reply CinderApi::list_cgsnapshots_detail(CallPtr call) {
  return cgsnapshot_page(std::move(call), true);
}

CinderApi::Reply CinderApi::cgsnapshot_page(CallPtr call, bool detail) {
  model::PageQuery query = parse_page(*call, group_snapshot_list());
  model::Page<GroupSnapshot> page = s_.groups.list_snapshots(query);
  json::array items;
  for (const GroupSnapshot& row : page.rows) {
    items.push_back(detail ? snapshot_detail(row) : snapshot_summary(row));
  }
  co_return json_reply(200, list_view(*call, "cgsnapshots", query, std::move(items), page.count));
}

CinderApi::Reply CinderApi::show_cgsnapshot(CallPtr call) {
  GroupSnapshot snapshot = s_.groups.show_snapshot(call->actor, GroupSnapshotId(call->path.get("id")));
  co_return json_reply(200, json::object{{"cgsnapshot", snapshot_detail(snapshot)}});
}

}  // namespace varve::api::cinder
