// Groups of volumes (3.13, 3.14) and group snapshots (3.14).

#include <boost/json.hpp>

#include "api/cinder/filters.h"
#include "api/cinder/group_views.h"
#include "api/cinder/rows.h"
#include "api/common/action_rows.h"
#include "api/common/body.h"
#include "api/common/paging.h"
#include "api/common/replies.h"
#include "base/text.h"

namespace varve::api::cinder {

using http::Verb;
using model::GroupSnapshot;
using services::GroupDetail;

namespace {

constexpr int kGroups = 13;
constexpr int kGroupSnapshots = 14;

constexpr FilterSpec kGroupFilters[] = {{"name", "name"},
                                        {"status", "status"},
                                        {"id", "id"},
                                        {"group_type", "group_type_id"},
                                        {"availability_zone", "availability_zone"},
                                        {"description", "description"}};
constexpr FilterSpec kSnapshotFilters[] = {
    {"name", "name"}, {"status", "status"}, {"id", "id"}, {"group_id", "group_id"}, {"description", "description"}};
constexpr SortSpec kGroupSorts[] = {{"id", "id"},
                                    {"name", "name"},
                                    {"status", "status"},
                                    {"group_type", "group_type_id"},
                                    {"created_at", "created_at"},
                                    {"updated_at", "updated_at"}};
constexpr SortSpec kSnapshotSorts[] = {{"id", "id"},
                                       {"name", "name"},
                                       {"status", "status"},
                                       {"group_id", "group_id"},
                                       {"created_at", "created_at"},
                                       {"updated_at", "updated_at"}};

json::object group_view(const Call& call, const GroupDetail& detail, bool with_volumes) {
  const model::VolumeGroup& group = detail.group;
  json::object out = common_view(group);
  out["group_type"] = group.group_type_id.str();
  if (call.version.at_least(kGroupSnapshots)) {
    out["group_snapshot_id"] = text_or_null(group.group_snapshot_id);
    out["source_group_id"] = text_or_null(group.source_group_id);
  }
  if (call.version.at_least(25) && with_volumes) {
    json::array volumes;
    for (const VolumeId& id : detail.volumes) volumes.emplace_back(id.str());
    out["volumes"] = std::move(volumes);
  }
  if (call.version.at_least(38)) out["replication_status"] = "disabled";
  if (call.version.at_least(58)) out["project_id"] = group.project_id.str();
  return out;
}

json::object snapshot_detail(const Call& call, const GroupSnapshot& snapshot) {
  json::object out = common_view(snapshot);
  out["group_type_id"] = snapshot.group_type_id.str();
  out["group_id"] = snapshot.group_id.str();
  if (call.version.at_least(58)) out["project_id"] = snapshot.project_id.str();
  return out;
}

std::vector<std::string> read_list(Fields& fields, const char* key) {
  std::vector<std::string> out;
  const json::value* list = fields.any(key);
  if (list == nullptr || !list->is_array()) Fields::refuse(key, list ? *list : json::value(), "A list is wanted");
  for (const json::value& one : list->get_array()) {
    if (!one.is_string() || one.get_string().size() > kMaxText) Fields::refuse(key, one, "It is not of type 'string'");
    out.emplace_back(one.get_string());
  }
  return out;
}

bool wants_volumes(const Call& call) {
  std::string text = call.parameter("list_volume");
  return !text.empty() && parse_boolean("list_volume", text);
}

Reply create_group(Services& s, CallPtr call) {
  Body body(*call->request, "group");
  Fields& fields = body.fields();
  services::GroupSpec spec;
  spec.name = fields.text("name");
  spec.description = fields.text("description");
  spec.group_type = fields.required_text("group_type");
  spec.volume_types = read_list(fields, "volume_types");
  spec.availability_zone = fields.text("availability_zone");
  fields.finish();
  model::VolumeGroup made = co_await s.groups.create(call->actor, std::move(spec));
  co_return json_reply(202, json::object{{"group", summary_view(made)}});
}

Reply copy_group(Services& s, CallPtr call) {
  Body body(*call->request, "create-from-src");
  Fields& fields = body.fields();
  services::GroupCopySpec spec;
  spec.name = fields.text("name");
  spec.description = fields.text("description");
  spec.group_snapshot_id = fields.id<GroupSnapshotId>("group_snapshot_id");
  spec.source_group_id = fields.id<GroupId>("source_group_id");
  fields.finish();
  model::VolumeGroup made = co_await s.groups.copy(call->actor, std::move(spec));
  co_return json_reply(202, json::object{{"group", summary_view(made)}});
}

template <bool kDetail>
Reply list_groups(Services& s, CallPtr call) {
  bool with_volumes = kDetail && wants_volumes(*call);
  std::erase_if(call->query, [](const auto& parameter) { return parameter.first == "list_volume"; });
  model::PageQuery query = parse_page(*call, group_list());
  model::Page<GroupDetail> page = co_await s.groups.list(query, with_volumes);
  auto view = [&](const GroupDetail& row) {
    return kDetail ? group_view(*call, row, with_volumes) : summary_view(row.group);
  };
  co_return page_reply(*call, "groups", query, page, view);
}

Reply show_group(Services& s, CallPtr call) {
  GroupDetail detail = co_await s.groups.show(call->actor, GroupId(call->path.get("id")));
  json::object view = group_view(*call, detail, wants_volumes(*call));
  co_return json_reply(200, json::object{{"group", std::move(view)}});
}

Reply update_group(Services& s, CallPtr call) {
  Body body(*call->request, "group");
  Fields& fields = body.fields();
  services::GroupChange change;
  change.name = fields.nullable_text("name");
  change.description = fields.nullable_text("description");
  change.add_volumes = fields.comma_list("add_volumes");
  change.remove_volumes = fields.comma_list("remove_volumes");
  fields.finish();
  if (!change.name && !change.description && change.add_volumes.empty() && change.remove_volumes.empty()) {
    Fields::refuse("group", json::object(),
                   "Name, description, add_volumes, and remove_volumes can not be all empty in the request body");
  }
  co_await s.groups.update(call->actor, GroupId(call->path.get("id")), std::move(change));
  co_return empty_reply(202);
}

GroupId group_of(const Call& call) {
  return GroupId(call.path.get("id"));
}

Reply delete_group(Services& s, CallPtr call, Arguments given) {
  Fields fields = given.fields();
  bool with_volumes = fields.boolean("delete-volumes").value_or(false);
  fields.finish();
  co_await s.groups.remove(call->actor, group_of(*call), with_volumes);
  co_return empty_reply(202);
}

Reply reset_group(Services& s, CallPtr call, Arguments given) {
  co_await s.groups.reset_status(call->actor, group_of(*call), given.only("status"));
  co_return empty_reply(202);
}

Reply refuse_replication(Services& s, CallPtr call, Arguments) {
  GroupId id = group_of(*call);
  co_await s.groups.show(call->actor, id);
  throw Error(ErrorCode::InvalidInput, "Invalid group type: replication is not enabled for group " + id.str() + ".");
}

constexpr ActionRow<Services> kActions[] = {
    {"delete", "member", delete_group},
    {"reset_status", "admin", reset_group, 20},
    {"enable_replication", "member", refuse_replication, 38},
    {"disable_replication", "member", refuse_replication, 38},
    {"failover_replication", "member", refuse_replication, 38},
    {"list_replication_targets", "member", refuse_replication, 38},
};

Reply create_group_snapshot(Services& s, CallPtr call) {
  Body body(*call->request, "group_snapshot");
  Fields& fields = body.fields();
  services::GroupSnapshotSpec spec;
  spec.group_id = fields.required_id<GroupId>("group_id");
  spec.name = fields.text("name");
  spec.description = fields.text("description");
  fields.finish();
  GroupSnapshot made = co_await s.groups.create_snapshot(call->actor, std::move(spec));
  json::object view = summary_view(made);
  view["group_type_id"] = made.group_type_id.str();
  co_return json_reply(202, json::object{{"group_snapshot", std::move(view)}});
}

template <bool kDetail>
Reply list_group_snapshots(Services& s, CallPtr call) {
  model::PageQuery query = parse_page(*call, group_snapshot_list());
  model::Page<GroupSnapshot> page = co_await s.groups.list_snapshots(query);
  auto view = [&](const GroupSnapshot& row) { return kDetail ? snapshot_detail(*call, row) : summary_view(row); };
  co_return page_reply(*call, "group_snapshots", query, page, view);
}

Reply show_group_snapshot(Services& s, CallPtr call) {
  GroupSnapshot snapshot = co_await s.groups.show_snapshot(call->actor, GroupSnapshotId(call->path.get("id")));
  co_return json_reply(200, json::object{{"group_snapshot", snapshot_detail(*call, snapshot)}});
}

Reply delete_group_snapshot(Services& s, CallPtr call) {
  co_await s.groups.remove_snapshot(call->actor, GroupSnapshotId(call->path.get("id")));
  co_return empty_reply(202);
}

Reply reset_group_snapshot(Services& s, CallPtr call, Arguments given) {
  co_await s.groups.reset_snapshot_status(call->actor, GroupSnapshotId(call->path.get("id")), given.only("status"));
  co_return empty_reply(202);
}

constexpr ActionRow<Services> kSnapshotActions[] = {{"reset_status", "admin", reset_group_snapshot}};

constexpr Row<Services> kRows[] = {
    {Verb::post, "/groups", "member", create_group, kGroups},
    {Verb::get, "/groups", "member", list_groups<false>, kGroups},
    {Verb::get, "/groups/detail", "member", list_groups<true>, kGroups},
    {Verb::post, "/groups/action", "member", copy_group, kGroupSnapshots},
    {Verb::get, "/groups/{id}", "member", show_group, kGroups},
    {Verb::put, "/groups/{id}", "member", update_group, kGroups},
    action_row<kActions, Services>("/groups/{id}/action", kGroups),
    {Verb::post, "/group_snapshots", "member", create_group_snapshot, kGroupSnapshots},
    {Verb::get, "/group_snapshots", "member", list_group_snapshots<false>, kGroupSnapshots},
    {Verb::get, "/group_snapshots/detail", "member", list_group_snapshots<true>, kGroupSnapshots},
    {Verb::get, "/group_snapshots/{id}", "member", show_group_snapshot, kGroupSnapshots},
    {Verb::delete_, "/group_snapshots/{id}", "member", delete_group_snapshot, kGroupSnapshots},
    action_row<kSnapshotActions, Services>("/group_snapshots/{id}/action", 19),
};

}  // namespace

std::span<const FilterSpec> group_snapshot_filters() {
  return kSnapshotFilters;
}

std::span<const FilterSpec> group_filters() {
  return kGroupFilters;
}

ListSpec group_list() {
  return {kGroupFilters, kGroupSorts};
}

ListSpec group_snapshot_list() {
  return {kSnapshotFilters, kSnapshotSorts};
}

Rows groups_rows() {
  return kRows;
}

}  // namespace varve::api::cinder
