// Consistency groups and their snapshots: what Cinder had before there were groups (3.13), and still answers with them.

#include <boost/json.hpp>

#include "api/cinder/filters.h"
#include "api/cinder/group_views.h"
#include "api/cinder/rows.h"
#include "api/common/body.h"
#include "api/common/paging.h"
#include "api/common/replies.h"
#include "services/group_types.h"

namespace varve::api::cinder {

using http::Verb;
using model::GroupSnapshot;
using model::VolumeGroup;
using services::GroupDetail;

namespace {

json::object cgsnapshot_view(const GroupSnapshot& snapshot) {
  json::object out = common_view(snapshot);
  out["consistencygroup_id"] = snapshot.group_id.str();
  return out;
}

// What every new one may be called. Old clients send beside it what is taken from the token.
template <typename Spec>
void read_labels(Fields& fields, Spec& spec) {
  spec.name = fields.text("name");
  spec.description = fields.text("description");
  for (const char* of_token : {"user_id", "project_id", "status"}) fields.ignore(of_token);
}

Reply create_consistency_group(Services& s, CallPtr call) {
  Body body(*call->request, "consistencygroup");
  Fields& fields = body.fields();
  services::GroupSpec spec;
  read_labels(fields, spec);
  spec.group_type = services::kConsistencyGroupType;
  spec.volume_types = fields.comma_list("volume_types");
  spec.availability_zone = fields.text("availability_zone");
  fields.finish();
  VolumeGroup made = co_await s.groups.create(call->actor, std::move(spec));
  co_return json_reply(202, json::object{{"consistencygroup", summary_view(made)}});
}

Reply copy_consistency_group(Services& s, CallPtr call) {
  Body body(*call->request, "consistencygroup-from-src");
  Fields& fields = body.fields();
  services::GroupCopySpec spec;
  read_labels(fields, spec);
  spec.group_snapshot_id = fields.id<GroupSnapshotId>("cgsnapshot_id");
  spec.source_group_id = fields.id<GroupId>("source_cgid");
  fields.finish();
  if (spec.group_snapshot_id.has_value() == spec.source_group_id.has_value()) {
    Fields::refuse("consistencygroup-from-src", json::object(), "One of 'cgsnapshot_id' and 'source_cgid' is wanted");
  }
  VolumeGroup made = co_await s.groups.copy(call->actor, std::move(spec));
  co_return json_reply(202, json::object{{"consistencygroup", summary_view(made)}});
}

template <bool kDetail>
Reply list_consistency_groups(Services& s, CallPtr call) {
  model::PageQuery query = parse_page(*call, group_list());
  model::Page<GroupDetail> page = co_await s.groups.list(query, false);
  auto view = [&](const GroupDetail& row) { return kDetail ? common_view(row.group) : summary_view(row.group); };
  co_return page_reply(*call, "consistencygroups", query, page, view);
}

Reply show_consistency_group(Services& s, CallPtr call) {
  GroupDetail detail = co_await s.groups.show(call->actor, GroupId(call->path.get("id")));
  co_return json_reply(200, json::object{{"consistencygroup", common_view(detail.group)}});
}

Reply update_consistency_group(Services& s, CallPtr call) {
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
  co_await s.groups.update(call->actor, GroupId(call->path.get("id")), std::move(change));
  co_return empty_reply(202);
}

// Without a body, and with an empty one: only a group that has no volumes.
Reply delete_consistency_group(Services& s, CallPtr call) {
  bool with_volumes = false;
  if (!call->request->body.empty() && !parse_body(*call->request).empty()) {
    Body body(*call->request, "consistencygroup");
    with_volumes = body.fields().boolean("force").value_or(false);
    body.fields().finish();
  }
  co_await s.groups.remove(call->actor, GroupId(call->path.get("id")), with_volumes);
  co_return empty_reply(202);
}

Reply create_cgsnapshot(Services& s, CallPtr call) {
  Body body(*call->request, "cgsnapshot");
  Fields& fields = body.fields();
  services::GroupSnapshotSpec spec;
  spec.group_id = fields.required_id<GroupId>("consistencygroup_id");
  read_labels(fields, spec);
  fields.finish();
  GroupSnapshot made = co_await s.groups.create_snapshot(call->actor, std::move(spec));
  co_return json_reply(202, json::object{{"cgsnapshot", summary_view(made)}});
}

template <bool kDetail>
Reply list_cgsnapshots(Services& s, CallPtr call) {
  model::PageQuery query = parse_page(*call, group_snapshot_list());
  model::Page<GroupSnapshot> page = co_await s.groups.list_snapshots(query);
  auto view = [&](const GroupSnapshot& row) { return kDetail ? cgsnapshot_view(row) : summary_view(row); };
  co_return page_reply(*call, "cgsnapshots", query, page, view);
}

Reply show_cgsnapshot(Services& s, CallPtr call) {
  GroupSnapshot snapshot = co_await s.groups.show_snapshot(call->actor, GroupSnapshotId(call->path.get("id")));
  co_return json_reply(200, json::object{{"cgsnapshot", cgsnapshot_view(snapshot)}});
}

Reply delete_cgsnapshot(Services& s, CallPtr call) {
  co_await s.groups.remove_snapshot(call->actor, GroupSnapshotId(call->path.get("id")));
  co_return empty_reply(202);
}

constexpr Row<Services> kRows[] = {
    {Verb::post, "/consistencygroups", "member", create_consistency_group},
    {Verb::post, "/consistencygroups/create_from_src", "member", copy_consistency_group},
    {Verb::get, "/consistencygroups", "member", list_consistency_groups<false>},
    {Verb::get, "/consistencygroups/detail", "member", list_consistency_groups<true>},
    {Verb::get, "/consistencygroups/{id}", "member", show_consistency_group},
    {Verb::put, "/consistencygroups/{id}", "member", update_consistency_group},
    {Verb::put, "/consistencygroups/{id}/update", "member", update_consistency_group},
    {Verb::post, "/consistencygroups/{id}/delete", "member", delete_consistency_group},
    {Verb::post, "/cgsnapshots", "member", create_cgsnapshot},
    {Verb::get, "/cgsnapshots", "member", list_cgsnapshots<false>},
    {Verb::get, "/cgsnapshots/detail", "member", list_cgsnapshots<true>},
    {Verb::get, "/cgsnapshots/{id}", "member", show_cgsnapshot},
    {Verb::delete_, "/cgsnapshots/{id}", "member", delete_cgsnapshot},
};

}  // namespace

Rows consistency_groups_rows() {
  return kRows;
}

}  // namespace varve::api::cinder
