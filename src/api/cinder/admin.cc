// Limits, quotas, zones and extensions.

#include <boost/json.hpp>

#include "api/cinder/rows.h"
#include "api/common/body.h"
#include "api/common/resource_views.h"

namespace varve::api::cinder {

using http::Verb;

namespace {

struct ExtensionInfo {
  const char* name;
  const char* alias;
  const char* description;
  const char* updated;
};

// Only what is here.
constexpr ExtensionInfo kExtensions[] = {
    {"UsedLimits", "os-used-limits", "Provide data on limited resources that are being used.",
     "2013-10-03T00:00:00+00:00"},
    {"AdminActions", "os-admin-actions", "Enable admin actions.", "2012-08-25T00:00:00+00:00"},
    {"TypesManage", "os-types-manage", "Types manage support.", "2011-08-24T00:00:00+00:00"},
    {"TypesExtraSpecs", "os-types-extra-specs", "Type extra specs support.", "2011-08-24T00:00:00+00:00"},
    {"SnapshotActions", "os-snapshot-actions", "Enable snapshot manager actions.", "2013-07-16T00:00:00+00:00"},
    {"ExtendedSnapshotAttributes", "os-extended-snapshot-attributes", "Extended snapshot attributes support.",
     "2012-06-19T00:00:00+00:00"},
    {"VolumeActions", "os-volume-actions", "Enable volume actions.", "2012-05-31T00:00:00+00:00"},
    {"VolumeHostAttribute", "os-vol-host-attr", "Expose host as an attribute of a volume.",
     "2011-11-03T00:00:00+00:00"},
    {"VolumeTenantAttribute", "os-vol-tenant-attr", "Expose the internal project_id as an attribute of a volume.",
     "2011-11-03T00:00:00+00:00"},
    {"VolumeMigStatusAttribute", "os-vol-mig-status-attr", "Expose migration_status as an attribute of a volume.",
     "2013-08-08T00:00:00+00:00"},
    {"Quotas", "os-quota-sets", "Quota management support.", "2011-08-08T00:00:00+00:00"},
    {"QuotaClasses", "os-quota-class-sets", "Quota classes management support.", "2012-03-12T00:00:00+00:00"},
    {"AvailabilityZones", "os-availability-zone", "Describe Availability Zones.", "2013-06-27T00:00:00+00:00"},
    {"Hosts", "os-hosts", "Admin-only host administration.", "2011-06-29T00:00:00+00:00"},
    {"Capabilities", "capabilities", "Capabilities support.", "2015-08-31T00:00:00+00:00"},
    {"Scheduler_stats", "scheduler-stats", "Scheduler stats support.", "2014-09-07T00:00:00+00:00"},
    {"VolumeTransfer", "os-volume-transfer", "Volume transfer management support.", "2013-05-29T00:00:00+00:00"},
    {"VolumeTypeAccess", "os-volume-type-access", "Volume type access support.", "2014-06-26T00:00:00Z"},
    {"Backups", "backups", "Backups support.", "2012-12-12T00:00:00+00:00"},
    {"VolumeManage", "os-volume-manage", "Allows existing backend storage to be 'managed' by Cinder.",
     "2014-02-10T00:00:00+00:00"},
    {"SnapshotManage", "os-snapshot-manage", "Allows existing backend snapshots to be 'managed' by Cinder.",
     "2014-12-31T00:00:00+00:00"},
    {"SnapshotUnmanage", "os-snapshot-unmanage", "Enable volume unmanage operation.", "2014-12-31T00:00:00+00:00"},
    {"VolumeUnmanage", "os-volume-unmanage", "Enable volume unmanage operation.", "2012-05-31T00:00:00+00:00"},
    {"Qos_specs_manage", "qos-specs", "QoS specs support.", "2013-08-02T00:00:00+00:00"},
    {"VolumeTypeEncryption", "encryption", "Encryption support for volume types.", "2013-07-01T00:00:00+00:00"},
    {"VolumeEncryptionMetadata", "os-volume-encryption-metadata", "Volume encryption metadata retrieval support.",
     "2013-07-10T00:00:00+00:00"},
    {"VolumeImageMetadata", "os-vol-image-meta", "Show image metadata associated with the volume.",
     "2012-12-07T00:00:00+00:00"},
    {"Services", "os-services", "Services support.", "2012-10-28T00:00:00+00:00"},
    {"Consistencygroups", "consistencygroups", "Consistency groups support.", "2014-08-18T00:00:00+00:00"},
    {"Cgsnapshots", "cgsnapshots", "Snapshots of consistency groups support.", "2014-08-18T00:00:00+00:00"},
    {"ExtendedServices", "os-extended-services", "Extended services support.", "2014-01-10T00:00:00-00:00"},
    {"SchedulerHints", "OS-SCH-HNT", "Pass arbitrary key/value pairs to the scheduler.", "2013-04-18T00:00:00+00:00"},
};

json::object extension_view(const ExtensionInfo& info) {
  return {{"name", info.name},
          {"alias", info.alias},
          {"description", info.description},
          {"updated", info.updated},
          {"links", json::array()}};
}

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

Reply availability_zones(Services& s, CallPtr) {
  json::array zones;
  for (const std::string& zone : s.settings.availability_zones) {
    zones.push_back(json::object{{"zoneName", zone}, {"zoneState", json::object{{"available", true}}}});
  }
  co_return json_reply(200, json::object{{"availabilityZoneInfo", std::move(zones)}});
}

Reply extensions(Services& s, CallPtr) {
  json::array items;
  for (const ExtensionInfo& info : kExtensions) items.push_back(extension_view(info));
  co_return json_reply(200, json::object{{"extensions", std::move(items)}});
}

Reply extension(Services& s, CallPtr call) {
  std::string alias = call->path.get("alias");
  for (const ExtensionInfo& info : kExtensions) {
    if (alias == info.alias) co_return json_reply(200, json::object{{"extension", extension_view(info)}});
  }
  throw Error(ErrorCode::NotFound, "Extension " + alias + " could not be found.");
}

constexpr Row<Services> kRows[] = {
    {Verb::get, "/limits", "evs:quotas:get", limits},
    {Verb::get, "/os-quota-sets/{target}", "evs:quotas:get", quota_set},
    {Verb::get, "/os-quota-sets/{target}/defaults", "evs:quotas:get", quota_defaults},
    {Verb::put, "/os-quota-sets/{target}", "admin", update_quota_set},
    {Verb::delete_, "/os-quota-sets/{target}", "admin", delete_quota_set},
    {Verb::get, "/os-quota-class-sets/{class}", "admin", quota_class},
    {Verb::put, "/os-quota-class-sets/{class}", "admin", update_quota_class},
    {Verb::get, "/os-availability-zone", "token", availability_zones},
    {Verb::get, "/extensions", "token", extensions},
    {Verb::get, "/extensions/{alias}", "token", extension},
};

}  // namespace

Rows admin_rows() {
  return kRows;
}

}  // namespace varve::api::cinder
