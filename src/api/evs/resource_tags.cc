// Tags of disks, snapshots and backups by kind of resource: the older generation of calls, still used by clients.

#include <boost/json.hpp>

#include "api/common/body.h"
#include "api/common/resource_views.h"
#include "api/evs/rows.h"
#include "api/evs/tag_queries.h"
#include "base/error.h"
#include "model/reason.h"

namespace varve::api::evs {

using http::Verb;
using services::Tagged;

namespace {

constexpr FieldReason kReasons[] = {{"", Reason::InvalidTag}};

struct Kind {
  std::string_view type;         // in the path
  std::optional<Tagged> tagged;  // nullopt: backups, whose tags nothing keeps
  Action list;
  Action find;
  Action show;
  Action create;
  Action update;
  Action remove;
};

constexpr Kind kKinds[] = {
    {"volumes", Tagged::Volumes, "evs:volumeTags:list", "evs:volumeTags:get", "evs:volumeTags:getById",
     "evs:volumeTags:create", "evs:volumeTags:update", "evs:volumeTags:delete"},
    {"snapshots", Tagged::Snapshots, "evs:snapshotTags:list", "evs:snapshotTags:get", "evs:snapshotTags:getById",
     "evs:snapshotTags:create", "evs:snapshotTags:update", "evs:snapshotTags:delete"},
    {"backups", std::nullopt, "evs:backupTags:list", "evs:backupTags:get", "evs:backupTags:getById",
     "evs:backupTags:create", "evs:backupTags:update", "evs:backupTags:delete"},
};

const Kind& kind_of(const Call& call) {
  std::string type = call.path.get("type");
  for (const Kind& kind : kKinds) {
    if (kind.type == type) return kind;
  }
  throw Error(ErrorCode::InvalidInput,
              "Invalid resource type '" + type.substr(0, 100) + "': volumes, snapshots or backups is wanted.");
}

// The kind, when the caller may do that with one of its resources.
Tagged require(const Call& call, Action Kind::* action) {
  const Kind& kind = kind_of(call);
  call.require_action(kind.*action);
  if (!kind.tagged) throw Error(ErrorCode::NotFound, "Backup " + call.path.get("id") + " could not be found.");
  return *kind.tagged;
}

model::Metadata read_pairs(const Call& call, std::string_view envelope) {
  json::value root = parse_body(*call.request);
  Fields fields(root, "body", kReasons);
  std::optional<model::Metadata> tags = fields.metadata(envelope);
  if (!tags) {
    throw Error(ErrorCode::InvalidInput, "'" + std::string(envelope) + "' is a required property", Reason::InvalidTag);
  }
  fields.finish();
  return std::move(*tags);
}

json::object found_volume(const model::Volume& volume) {
  json::object detail{{"id", volume.id.str()},
                      {"name", text_or_null(volume.name)},
                      {"description", text_or_null(volume.description)},
                      {"status", to_string(volume.status)},
                      {"size", volume.size_gib},
                      {"availability_zone", volume.availability_zone},
                      {"bootable", volume.bootable ? "true" : "false"},
                      {"multiattach", volume.multiattach}};
  detail["snapshot_id"] = text_or_null(volume.snapshot_id);
  detail["source_volid"] = text_or_null(volume.source_volume_id);
  detail["created_at"] = format_time(volume.created_at);
  detail["updated_at"] = time_or_null(volume.updated_at);
  return detail;
}

template <class Row>
json::object found(const Row& row, json::object detail) {
  return {{"resource_id", row.id.str()},
          {"resource_name", text_or_null(row.name)},
          {"resource_detail", std::move(detail)},
          {"tags", metadata_view(row.tags)}};
}

model::PageQuery read_query(const Call& call) {
  model::PageQuery query;
  query.project_id = call.actor.project_id;
  query.with_count = true;
  struct Question {
    const char* parameter;
    bool any;
    bool negated;
  };
  for (const Question& one : {Question{"tags", false, false}, Question{"tags_any", true, false},
                              Question{"not_tags", false, true}, Question{"not_tags_any", true, true}}) {
    std::string text = call.parameter(one.parameter);
    if (text.empty()) continue;
    model::Filter filter = tag_filter(read_tag_dictionary(one.parameter, text), one.any);
    filter.negated = one.negated;
    query.filters.push_back(std::move(filter));
  }
  return query;
}

Reply all_tags(Services& s, CallPtr call) {
  const Kind& kind = kind_of(*call);
  call->require_action(kind.list);
  services::TagValues tags;
  if (kind.tagged) tags = co_await s.tags.all(call->actor, *kind.tagged);
  co_return all_tags_reply(tags);
}

Reply find_resources_by_tag(Services& s, CallPtr call) {
  call->require_action(kind_of(*call).find);
  std::optional<Tagged> kind = kind_of(*call).tagged;
  model::PageQuery query = read_query(*call);
  json::array resources;
  std::int64_t count = 0;
  if (kind == Tagged::Volumes) {
    model::Page<services::VolumeDetail> page = co_await s.volumes.list(query);
    for (const auto& row : page.rows) resources.push_back(found(row.volume, found_volume(row.volume)));
    count = page.count.value_or(0);
  } else if (kind == Tagged::Snapshots) {
    model::Page<model::Snapshot> page = co_await s.snapshots.list(query);
    for (const auto& row : page.rows) {
      resources.push_back(found(row, snapshot_view(*call, row, SnapshotFields::Plain)));
    }
    count = page.count.value_or(0);
  }
  co_return json_reply(200, json::object{{"total_count", count}, {"resources", std::move(resources)}});
}

Reply resource_tags(Services& s, CallPtr call) {
  Tagged kind = require(*call, &Kind::show);
  model::Metadata tags = co_await s.tags.show(call->actor, kind, call->path.get("id"));
  co_return json_reply(200, json::object{{"tags", metadata_view(tags)}});
}

// POST adds, PUT replaces all.
Reply set_resource_tags(Services& s, CallPtr call) {
  bool merge = call->request->method == Verb::post;
  Tagged kind = require(*call, merge ? &Kind::create : &Kind::update);
  model::Metadata tags = read_pairs(*call, "tags");
  co_await s.tags.set(call->actor, kind, call->path.get("id"), tags, merge);
  co_return json_reply(200, json::object{{"tags", metadata_view(tags)}});
}

Reply delete_resource_tags(Services& s, CallPtr call) {
  Tagged kind = require(*call, &Kind::remove);
  std::vector<std::string> keys;
  for (const auto& [key, value] : read_pairs(*call, "os-delete_tags")) keys.push_back(key);
  co_await s.tags.remove(call->actor, kind, call->path.get("id"), std::move(keys), false);
  co_return empty_reply(200);
}

Reply resource_tag(Services& s, CallPtr call) {
  Tagged kind = require(*call, &Kind::show);
  model::Metadata tags = co_await s.tags.show(call->actor, kind, call->path.get("id"));
  std::string key = call->path.get("key");
  auto present = tags.find(key);
  if (present == tags.end()) throw Error(ErrorCode::NotFound, "Tags item was not found: there is no tag " + key + ".");
  co_return json_reply(200, json::object{{"tag", json::object{{key, present->second}}}});
}

Reply set_resource_tag(Services& s, CallPtr call) {
  Tagged kind = require(*call, &Kind::update);
  model::Metadata tag = read_pairs(*call, "tag");
  if (tag.size() != 1 || !tag.contains(call->path.get("key"))) {
    throw Error(ErrorCode::InvalidInput,
                "Request body and URI mismatch: the one key of 'tag' must be '" + call->path.get("key") + "'.");
  }
  co_await s.tags.set(call->actor, kind, call->path.get("id"), tag, true);
  co_return json_reply(200, json::object{{"tag", metadata_view(tag)}});
}

Reply delete_resource_tag(Services& s, CallPtr call) {
  Tagged kind = require(*call, &Kind::remove);
  std::vector<std::string> keys{call->path.get("key")};
  co_await s.tags.remove(call->actor, kind, call->path.get("id"), std::move(keys), true);
  co_return empty_reply(200);
}

// The type decides which action is needed, so the handlers ask.
constexpr Row<Services> kRows[] = {
    {Verb::get, "/os-vendor-tags/{type}", "token", all_tags},
    {Verb::get, "/os-vendor-tags/{type}/resource_instances", "token", find_resources_by_tag},
    {Verb::get, "/os-vendor-tags/{type}/{id}", "token", resource_tags},
    {Verb::post, "/os-vendor-tags/{type}/{id}", "token", set_resource_tags},
    {Verb::put, "/os-vendor-tags/{type}/{id}", "token", set_resource_tags},
    {Verb::post, "/os-vendor-tags/{type}/{id}/action", "token", delete_resource_tags},
    {Verb::get, "/os-vendor-tags/{type}/{id}/{key}", "token", resource_tag},
    {Verb::put, "/os-vendor-tags/{type}/{id}/{key}", "token", set_resource_tag},
    {Verb::delete_, "/os-vendor-tags/{type}/{id}/{key}", "token", delete_resource_tag},
};

}  // namespace

Rows resource_tags_rows() {
  return kRows;
}

}  // namespace varve::api::evs
