// Limits and quotas.

#include <boost/json.hpp>

#include "api/cinder/rows.h"
#include "api/common/body.h"
#include "api/common/resource_views.h"

namespace varve::api::cinder {

using http::Verb;

namespace {

json::object quota_view(const services::QuotaSet& set, const std::string& id, bool with_use) {
  json::object out;
  for (const auto& [name, quota] : set) {
    if (with_use) {
      out[name] = json::object{{"limit", quota.limit}, {"in_use", quota.in_use}, {"reserved", 0}};
    } else {
      out[name] = quota.limit;
    }
  }
  if (!id.empty()) out["id"] = id;
  return out;
}

std::map<std::string, std::int64_t> read_limits(const json::object& root, std::string_view envelope) {
  const json::value* set = root.if_contains(envelope);
  if (set == nullptr || !set->is_object())
    throw Error(ErrorCode::InvalidInput, "'" + std::string(envelope) + "' is a required property");
  std::map<std::string, std::int64_t> limits;
  Fields fields(*set, envelope);
  for (const auto& [key, value] : set->get_object()) {
    std::string_view name = key;
    if (name == "tenant_id" || name == "class_name" || name == "id") continue;
    if (std::optional<std::int64_t> limit = fields.integer(name, -1, 2147483647)) limits.emplace(name, *limit);
  }
  return limits;
}

Reply limits(Services& s, CallPtr call) {
  std::map<std::string, services::QuotaUse> use;
  ProjectId project = call->actor.project_id;
  if (std::string other = call->parameter("project_id");
      call->version.at_least(39) && call->actor.admin && !other.empty()) {
    project = ProjectId(other);
  }
  for (const auto& [name, quota] : co_await s.quotas.show(project, true)) use[name] = quota;
  json::object absolute{{"maxTotalVolumes", use["volumes"].limit},
                        {"maxTotalSnapshots", use["snapshots"].limit},
                        {"maxTotalVolumeGigabytes", use["gigabytes"].limit},
                        {"maxTotalBackups", use["backups"].limit},
                        {"maxTotalBackupGigabytes", use["backup_gigabytes"].limit},
                        {"totalVolumesUsed", use["volumes"].in_use},
                        {"totalGigabytesUsed", use["gigabytes"].in_use},
                        {"totalSnapshotsUsed", use["snapshots"].in_use},
                        {"totalBackupsUsed", use["backups"].in_use},
                        {"totalBackupGigabytesUsed", use["backup_gigabytes"].in_use}};
  co_return json_reply(
      200, json::object{{"limits", json::object{{"rate", json::array()}, {"absolute", std::move(absolute)}}}});
}

Reply quota_set(Services& s, CallPtr call) {
  std::string target = call->path.get("target");
  if (target != call->actor.project_id.str()) call->require_admin();
  std::string usage = call->parameter("usage");
  bool with_use = !usage.empty() && parse_boolean("usage", usage);
  json::object view = quota_view(co_await s.quotas.show(ProjectId(target), with_use), target, with_use);
  co_return json_reply(200, json::object{{"quota_set", std::move(view)}});
}

Reply quota_defaults(Services& s, CallPtr call) {
  std::string target = call->path.get("target");
  if (target != call->actor.project_id.str()) call->require_admin();
  json::object view = quota_view(co_await s.quotas.defaults(), target, false);
  co_return json_reply(200, json::object{{"quota_set", std::move(view)}});
}

Reply update_quota_set(Services& s, CallPtr call) {
  std::string target = call->path.get("target");
  std::map<std::string, std::int64_t> limits = read_limits(parse_body(*call->request), "quota_set");
  co_await s.quotas.update(ProjectId(target), std::move(limits));
  json::object view = quota_view(co_await s.quotas.show(ProjectId(target), false), "", false);
  co_return json_reply(200, json::object{{"quota_set", std::move(view)}});
}

Reply delete_quota_set(Services& s, CallPtr call) {
  co_await s.quotas.reset(ProjectId(call->path.get("target")));
  co_return empty_reply(200);
}

Reply quota_class(Services& s, CallPtr call) {
  std::string name = call->path.get("class");
  json::object view = quota_view(co_await s.quotas.defaults(), name, false);
  co_return json_reply(200, json::object{{"quota_class_set", std::move(view)}});
}

Reply update_quota_class(Services& s, CallPtr call) {
  if (call->path.get("class") != "default") {
    throw Error(ErrorCode::NotFound,
                "Quota class " + call->path.get("class") + " could not be found: only 'default' is used.");
  }
  std::map<std::string, std::int64_t> limits = read_limits(parse_body(*call->request), "quota_class_set");
  co_await s.quotas.update(ProjectId(""), std::move(limits));
  json::object view = quota_view(co_await s.quotas.defaults(), "", false);
  co_return json_reply(200, json::object{{"quota_class_set", std::move(view)}});
}

constexpr Row<Services> kRows[] = {
    {Verb::get, "/limits", "evs:quotas:get", limits},
    {Verb::get, "/os-quota-sets/{target}", "evs:quotas:get", quota_set},
    {Verb::get, "/os-quota-sets/{target}/defaults", "evs:quotas:get", quota_defaults},
    {Verb::put, "/os-quota-sets/{target}", "admin", update_quota_set},
    {Verb::delete_, "/os-quota-sets/{target}", "admin", delete_quota_set},
    {Verb::get, "/os-quota-class-sets/{class}", "admin", quota_class},
    {Verb::put, "/os-quota-class-sets/{class}", "admin", update_quota_class},
};

}  // namespace

Rows quotas_rows() {
  return kRows;
}

}  // namespace varve::api::cinder
