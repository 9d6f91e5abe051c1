// Tags of disks, snapshots and backups by kind of resource: the older generation of calls, still used by clients.

#include <boost/json.hpp>

#include "api/common/body.h"
#include "api/common/resource_views.h"
#include "api/evs/evs_api.h"
#include "api/evs/tag_queries.h"
#include "base/error.h"

namespace varve::api::evs {

using http::Verb;
using services::Tagged;

namespace {

constexpr FieldReason kReasons[] = {{"", Reason::InvalidTag}};

// nullopt: backups, of which there are none.
std::optional<Tagged> kind_of(const Call& call) {
  std::string type = call.path.get("type");
  if (type == "volumes") return Tagged::Volumes;
  if (type == "snapshots") return Tagged::Snapshots;
  if (type == "backups") return std::nullopt;
  throw Error(ErrorCode::InvalidInput,
              "Invalid resource type '" + type.substr(0, 100) + "': volumes, snapshots or backups is wanted.");
}

Tagged existing_kind(const Call& call) {
  std::optional<Tagged> kind = kind_of(call);
  if (!kind) throw Error(ErrorCode::NotFound, "Backup " + call.path.get("id") + " could not be found.");
  return *kind;
}

// "evs:volumeTags:get" and so on.
void require_action(const Call& call, std::string_view verb) {
  std::string type = call.path.get("type");
  std::string kind = type.empty() ? type : type.substr(0, type.size() - 1);
  call.require_action("evs:" + kind + "Tags:" + std::string(verb));
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

}  // namespace

void EvsApi::register_resource_tags(Dispatcher& d) {
  const std::string kind = "/os-vendor-tags/{type}";
  route(d, Verb::get, kind, &EvsApi::all_tags);
  route(d, Verb::get, kind + "/resource_instances", &EvsApi::find_resources_by_tag);
  route(d, Verb::get, kind + "/{id}", &EvsApi::resource_tags);
  route(d, Verb::post, kind + "/{id}", &EvsApi::set_resource_tags);
  route(d, Verb::put, kind + "/{id}", &EvsApi::set_resource_tags);
  route(d, Verb::post, kind + "/{id}/action", &EvsApi::delete_resource_tags);
  route(d, Verb::get, kind + "/{id}/{key}", &EvsApi::resource_tag);
  route(d, Verb::put, kind + "/{id}/{key}", &EvsApi::set_resource_tag);
  route(d, Verb::delete_, kind + "/{id}/{key}", &EvsApi::delete_resource_tag);
}

EvsApi::Reply EvsApi::all_tags(CallPtr call) {
  bool volumes = !call->path.has("type");
  std::optional<Tagged> kind = volumes ? Tagged::Volumes : kind_of(*call);
  if (volumes) {
    call->require_action("evs:volumeTags:list");
  } else {
    require_action(*call, "list");
  }
  json::object tags;
  if (kind) {
    for (const auto& [key, values] : co_await s_.tags.all(call->actor, *kind)) {
      tags[key] = json::array(values.begin(), values.end());
    }
  }
  co_return json_reply(200, json::object{{"tags", std::move(tags)}});
}

EvsApi::Reply EvsApi::find_resources_by_tag(CallPtr call) {
  std::optional<Tagged> kind = kind_of(*call);
  require_action(*call, "get");
  model::PageQuery query = read_query(*call);
  json::array resources;
  std::int64_t count = 0;
  if (kind == Tagged::Volumes) {
    model::Page<services::VolumeDetail> page = co_await s_.volumes.list(query);
    for (const auto& row : page.rows) resources.push_back(found(row.volume, found_volume(row.volume)));
    count = page.count.value_or(0);
  } else if (kind == Tagged::Snapshots) {
    model::Page<model::Snapshot> page = co_await s_.snapshots.list(query);
    for (const auto& row : page.rows) {
      resources.push_back(found(row, snapshot_view(*call, row, SnapshotFields::Plain)));
    }
    count = page.count.value_or(0);
  }
  co_return json_reply(200, json::object{{"total_count", count}, {"resources", std::move(resources)}});
}

EvsApi::Reply EvsApi::resource_tags(CallPtr call) {
  require_action(*call, "getById");
  model::Metadata tags = co_await s_.tags.show(call->actor, existing_kind(*call), call->path.get("id"));
  co_return json_reply(200, json::object{{"tags", metadata_view(tags)}});
}

// POST adds, PUT replaces all.
EvsApi::Reply EvsApi::set_resource_tags(CallPtr call) {
  bool merge = call->request->method == Verb::post;
  require_action(*call, merge ? "create" : "update");
  Tagged kind = existing_kind(*call);
  model::Metadata tags = read_pairs(*call, "tags");
  co_await s_.tags.set(call->actor, kind, call->path.get("id"), tags, merge);
  co_return json_reply(200, json::object{{"tags", metadata_view(tags)}});
}

EvsApi::Reply EvsApi::delete_resource_tags(CallPtr call) {
  require_action(*call, "delete");
  Tagged kind = existing_kind(*call);
  std::vector<std::string> keys;
  for (const auto& [key, value] : read_pairs(*call, "os-delete_tags")) keys.push_back(key);
  co_await s_.tags.remove(call->actor, kind, call->path.get("id"), std::move(keys), false);
  co_return empty_reply(200);
}

EvsApi::Reply EvsApi::resource_tag(CallPtr call) {
  require_action(*call, "getById");
  model::Metadata tags = co_await s_.tags.show(call->actor, existing_kind(*call), call->path.get("id"));
  std::string key = call->path.get("key");
  auto present = tags.find(key);
  if (present == tags.end()) throw Error(ErrorCode::NotFound, "Tags item was not found: there is no tag " + key + ".");
  co_return json_reply(200, json::object{{"tag", json::object{{key, present->second}}}});
}

EvsApi::Reply EvsApi::set_resource_tag(CallPtr call) {
  require_action(*call, "update");
  Tagged kind = existing_kind(*call);
  model::Metadata tag = read_pairs(*call, "tag");
  if (tag.size() != 1 || !tag.contains(call->path.get("key"))) {
    throw Error(ErrorCode::InvalidInput,
                "Request body and URI mismatch: the one key of 'tag' must be '" + call->path.get("key") + "'.");
  }
  co_await s_.tags.set(call->actor, kind, call->path.get("id"), tag, true);
  co_return json_reply(200, json::object{{"tag", metadata_view(tag)}});
}

EvsApi::Reply EvsApi::delete_resource_tag(CallPtr call) {
  require_action(*call, "delete");
  Tagged kind = existing_kind(*call);
  std::vector<std::string> keys{call->path.get("key")};
  co_await s_.tags.remove(call->actor, kind, call->path.get("id"), std::move(keys), true);
  co_return empty_reply(200);
}

}  // namespace varve::api::evs
