// For operators: services, hosts, pools and capabilities. One process does the work of what Cinder calls cinder-volume
// and cinder-scheduler; clients look for these names.

#include <boost/json.hpp>

#include "api/cinder/filters.h"
#include "api/cinder/hosts.h"
#include "api/cinder/rows.h"
#include "api/common/body.h"
#include "api/common/replies.h"
#include "base/log.h"
#include "base/text.h"

namespace varve::api::cinder {

using http::Verb;
using model::ServiceState;

namespace {

struct KnownService {
  std::string binary;
  std::string host;
  std::string state;  // id of its ServiceState
  bool with_backend;
};

// A cinder-volume for each pool, and a scheduler.
std::vector<KnownService> known_services(const Services& services) {
  std::vector<KnownService> out;
  for (const services::Pool& pool : services.pools.all()) {
    out.push_back({"cinder-volume", pool.host.substr(0, pool.host.find('#')), pool.service, true});
  }
  for (const char* binary : {"cinder-scheduler", "cinder-backup"}) {
    out.push_back({binary, services.settings.host_name, binary, false});
  }
  return out;
}

[[noreturn]] void unknown_service(const std::string& host, const std::string& binary) {
  throw Error(ErrorCode::NotFound, "Service " + binary + " could not be found on host " + host + ".");
}

Reply list_services(Services& s, CallPtr call) {
  std::string wanted_binary = call->parameter("binary");
  std::string wanted_host = call->parameter("host");
  json::array items;
  for (const KnownService& service : known_services(s)) {
    const std::string& host = service.host;
    bool wanted = (wanted_binary.empty() || wanted_binary == service.binary) &&
                  (wanted_host.empty() || is_host(wanted_host, host));
    if (!wanted) continue;
    ServiceState state = co_await s.service_states.service(service.state);
    json::object entry{{"binary", service.binary},
                       {"host", host},
                       {"zone", s.settings.availability_zones.front()},
                       {"status", state.disabled ? "disabled" : "enabled"},
                       {"state", "up"},
                       {"updated_at", format_time(s.clock.now())}};
    entry["disabled_reason"] = text_or_null(state.disabled_reason);
    if (service.with_backend) {
      entry["replication_status"] = "disabled";
      entry["active_backend_id"] = nullptr;
      entry["frozen"] = state.frozen;
      if (call->version.at_least(49)) entry["backend_state"] = "up";
    }
    if (call->version.at_least(7)) entry["cluster"] = nullptr;
    items.push_back(std::move(entry));
  }
  co_return json_reply(200, json::object{{"services", std::move(items)}});
}

enum class ServiceChange : std::uint8_t { Enable, Disable, DisableForReason, Freeze, Thaw };

// A disabled or frozen cinder-volume takes no new volumes.
template <ServiceChange kChange>
Reply update_service(Services& s, CallPtr call) {
  json::value root = parse_body(*call->request);
  Fields fields(root, "body");
  std::optional<std::string> cluster;
  if (call->version.at_least(26)) cluster = fields.text("cluster");
  std::string host = host_or_cluster(fields.text("host"), cluster);
  constexpr bool freezing = kChange == ServiceChange::Freeze || kChange == ServiceChange::Thaw;
  std::string binary = freezing ? std::string("cinder-volume") : fields.required_text("binary");
  std::optional<std::string> reason;
  if (kChange == ServiceChange::DisableForReason) reason = fields.required_text("disabled_reason");
  fields.finish();
  std::vector<KnownService> meant = known_services(s);
  std::erase_if(meant,
                [&](const KnownService& service) { return service.binary != binary || !is_host(host, service.host); });
  if (meant.empty() && freezing) Fields::refuse("host", json::value(host), "There is no such host");
  if (meant.empty()) unknown_service(host, binary);
  ServiceState state;
  for (const KnownService& service : meant) {
    state = co_await s.service_states.service(service.state);
    if (freezing) {
      state.frozen = kChange == ServiceChange::Freeze;
    } else {
      state.disabled = kChange != ServiceChange::Enable;
      state.disabled_reason = reason;
    }
    co_await s.service_states.set_service(state);
  }
  if (freezing) co_return empty_reply(202);
  json::object reply{{"host", host}, {"service", binary}, {"binary", binary}};
  reply["disabled"] = state.disabled;
  reply["status"] = state.disabled ? "disabled" : "enabled";
  if (reason) reply["disabled_reason"] = *reason;
  co_return json_reply(200, reply);
}

Reply list_hosts(Services& s, CallPtr call) {
  json::array items;
  for (const KnownService& service : known_services(s)) {
    bool disabled = (co_await s.service_states.service(service.state)).disabled;
    items.push_back(json::object{{"service", service.binary},
                                 {"host_name", service.host},
                                 {"zone", s.settings.availability_zones.front()},
                                 {"service-status", "available"},
                                 {"service-state", disabled ? "disabled" : "enabled"},
                                 {"last-update", format_time(s.clock.now())}});
  }
  co_return json_reply(200, json::object{{"hosts", std::move(items)}});
}

// What the projects have there: a total, then each of them.
Reply show_host(Services& s, CallPtr call) {
  std::string host = call->path.get("host");
  pool_of_host(host, s);
  json::array items;
  for (const services::ProjectUsage& one : co_await s.quotas.usage_by_project()) {
    json::object resource{{"host", host},
                          {"project", one.project ? one.project->str() : "(total)"},
                          {"volume_count", std::to_string(one.volumes.count)},
                          {"total_volume_gb", std::to_string(one.volumes.gib)},
                          {"snapshot_count", std::to_string(one.snapshots.count)},
                          {"total_snapshot_gb", std::to_string(one.snapshots.gib)}};
    items.push_back(json::object{{"resource", std::move(resource)}});
  }
  co_return json_reply(200, json::object{{"host", std::move(items)}});
}

Reply capabilities(Services& s, CallPtr call) {
  std::string host = call->path.get("host");
  model::Metadata offered = s.pools.find(pool_of_host(host, s))->offers;
  json::object out{{"namespace", "OS::Storage::Capabilities::" + host},
                   {"vendor_name", offered["vendor_name"]},
                   {"volume_backend_name", offered["volume_backend_name"]},
                   {"pool_name", offered["pool_name"]},
                   {"driver_version", offered["driver_version"]},
                   {"storage_protocol", offered["storage_protocol"]},
                   {"display_name", "Thin volumes on qcow2"},
                   {"description", "Copy-on-write images behind QEMU's storage daemon"},
                   {"visibility", "public"},
                   {"replication_targets", json::array()}};
  json::object properties;
  auto add = [&](const char* key, const char* title, const char* description) {
    properties[key] = json::object{{"title", title}, {"description", description}, {"type", "boolean"}};
  };
  add("thin_provisioning", "Thin Provisioning", "Volumes take what was written.");
  add("qos", "QoS", "The limits of a type hold for its volumes.");
  add("multiattach", "Multiattach", "A volume may be attached several times.");
  out["properties"] = std::move(properties);
  co_return json_reply(200, out);
}

Reply pools(Services& s, CallPtr call) {
  constexpr double kGib = 1024.0 * 1024.0 * 1024.0;
  std::string detail = call->parameter("detail");
  bool with_detail = !detail.empty() && parse_boolean("detail", detail);
  std::string wanted_name = call->version.at_least(28) ? call->parameter("name") : "";
  std::optional<model::VolumeType> wanted_type;
  if (std::string type = call->parameter("volume_type"); call->version.at_least(35) && !type.empty()) {
    wanted_type = co_await s.types.named(call->actor, type);
  }
  json::array items;
  for (const services::Pool& known : s.pools.all()) {
    if (!wanted_name.empty() && wanted_name != known.host) continue;
    if (wanted_type && !s.pools.suits(known.name, *wanted_type)) continue;
    json::object pool{{"name", known.host}};
    if (with_detail) {
      auto capacity = co_await s.pools.room(known.name);
      bool is_default = known.name == s.pools.all().front().name;
      std::int64_t provisioned = co_await s.service_states.provisioned(known.name, is_default);
      json::object capabilities{{"pool_name", known.name},
                                {"total_capacity_gb", static_cast<double>(capacity.total) / kGib},
                                {"free_capacity_gb", static_cast<double>(capacity.available) / kGib},
                                {"provisioned_capacity_gb", provisioned},
                                {"allocated_capacity_gb", provisioned},
                                {"reserved_percentage", 0},
                                {"QoS_support", true},
                                {"thin_provisioning_support", true},
                                {"multiattach", true},
                                {"consistencygroup_support", true},
                                {"consistent_group_snapshot_enabled", true}};
      for (const auto& [key, value] : known.offers) capabilities[key] = value;
      capabilities["timestamp"] = format_time(s.clock.now());
      pool["capabilities"] = std::move(capabilities);
    }
    items.push_back(std::move(pool));
  }
  co_return json_reply(200, json::object{{"pools", std::move(items)}});
}

constexpr std::pair<std::string_view, log::Level> kLevels[] = {{"DEBUG", log::Level::Debug},
                                                               {"INFO", log::Level::Info},
                                                               {"WARNING", log::Level::Warning},
                                                               {"ERROR", log::Level::Error}};

// Which services are meant; one process is behind all of them, with one level. Throws for one that is not here.
std::vector<std::string> read_services(Fields& fields) {
  std::string binary = fields.text("binary").value_or("*");
  fields.ignore("server");
  fields.ignore("prefix");
  std::vector<std::string> out;
  for (const char* known : {"cinder-volume", "cinder-scheduler", "cinder-api", "cinder-backup"}) {
    if (binary.empty() || binary == "*" || binary == known) out.emplace_back(known);
  }
  if (out.empty()) Fields::refuse("binary", json::value(binary), "There is no such service");
  return out;
}

Reply set_log(Services& s, CallPtr call) {
  json::value root = parse_body(*call->request);
  Fields fields(root, "body");
  read_services(fields);
  std::string wanted = fields.required_text("level");
  fields.finish();
  for (const auto& [name, level] : kLevels) {
    if (to_lower(name) != to_lower(wanted)) continue;
    log::set_level(level);
    co_return empty_reply(202);
  }
  Fields::refuse("level", json::value(wanted), "DEBUG, INFO, WARNING or ERROR is wanted");
}

Reply get_log(Services& s, CallPtr call) {
  json::value root = parse_body(*call->request);
  Fields fields(root, "body");
  std::vector<std::string> binaries = read_services(fields);
  fields.finish();
  std::string_view present;
  for (const auto& [name, level] : kLevels) {
    if (level == log::level()) present = name;
  }
  json::array items;
  for (const std::string& binary : binaries) {
    items.push_back(
        json::object{{"binary", binary}, {"host", s.settings.host_name}, {"levels", json::object{{"varve", present}}}});
  }
  co_return json_reply(200, json::object{{"log_levels", std::move(items)}});
}

Reply failover_host(Services& s, CallPtr call) {
  json::value root = parse_body(*call->request);
  Fields fields(root, "body");
  std::optional<std::string> cluster;
  if (call->version.at_least(26)) cluster = fields.text("cluster");
  std::string host = host_or_cluster(fields.text("host"), cluster);
  pool_of_host(host, s);
  throw Error(ErrorCode::InvalidInput, "Host " + host + " has no replication target to fail over to.");
  co_return http::Response();
}

// Nothing is ever left over: whatever a crash cut off is taken up at the next start.
Reply cleanup_workers(Services& s, CallPtr call) {
  co_return json_reply(202, json::object{{"cleaning", json::array()}, {"unavailable", json::array()}});
}

// One daemon owns its store: there are no clusters.
Reply list_clusters(Services& s, CallPtr call) {
  co_return json_reply(200, json::object{{"clusters", json::array()}});
}

Reply show_cluster(Services& s, CallPtr call) {
  throw Error(ErrorCode::NotFound, "Cluster could not be found: there are none here.");
  co_return http::Response();
}

Reply resource_filters(Services& s, CallPtr call) {
  constexpr FilterSpec kPools[] = {{"name", ""}, {"volume_type", ""}};
  const std::pair<const char*, std::span<const FilterSpec>> kinds[] = {{"volume", volume_filters()},
                                                                       {"snapshot", snapshot_filters()},
                                                                       {"backup", backup_filters()},
                                                                       {"group", group_filters()},
                                                                       {"group_snapshot", group_snapshot_filters()},
                                                                       {"attachment", attachment_filters()},
                                                                       {"message", message_filters()},
                                                                       {"pool", kPools}};
  std::string wanted = call->parameter("resource");
  json::array items;
  for (const auto& [name, filters] : kinds) {
    if (!wanted.empty() && wanted != name) continue;
    json::array names;
    for (const FilterSpec& filter : filters) names.emplace_back(filter.parameter);
    items.push_back(json::object{{"resource", name}, {"filters", std::move(names)}});
  }
  co_return json_reply(200, json::object{{"resource_filters", std::move(items)}});
}

constexpr Row<Services> kRows[] = {
    {Verb::get, "/os-services", "admin", list_services},
    {Verb::put, "/os-services/enable", "admin", update_service<ServiceChange::Enable>},
    {Verb::put, "/os-services/disable", "admin", update_service<ServiceChange::Disable>},
    {Verb::put, "/os-services/disable-log-reason", "admin", update_service<ServiceChange::DisableForReason>},
    {Verb::put, "/os-services/freeze", "admin", update_service<ServiceChange::Freeze>},
    {Verb::put, "/os-services/thaw", "admin", update_service<ServiceChange::Thaw>},
    {Verb::put, "/os-services/set-log", "admin", set_log, 32},
    {Verb::put, "/os-services/get-log", "admin", get_log, 32},
    {Verb::put, "/os-services/failover_host", "admin", failover_host},
    {Verb::put, "/os-services/failover", "admin", failover_host, 26},
    {Verb::post, "/workers/cleanup", "admin", cleanup_workers, 24},
    {Verb::get, "/clusters", "admin", list_clusters, 7},
    {Verb::get, "/clusters/detail", "admin", list_clusters, 7},
    {Verb::get, "/clusters/{name}", "admin", show_cluster, 7},
    {Verb::put, "/clusters/enable", "admin", show_cluster, 7},
    {Verb::put, "/clusters/disable", "admin", show_cluster, 7},
    {Verb::get, "/resource_filters", "member", resource_filters, 33},
    {Verb::get, "/os-hosts", "admin", list_hosts},
    {Verb::get, "/os-hosts/{host}", "admin", show_host},
    {Verb::get, "/capabilities/{host}", "admin", capabilities},
    {Verb::get, "/scheduler-stats/get_pools", "admin", pools},
};

}  // namespace

Rows services_and_hosts_rows() {
  return kRows;
}

}  // namespace varve::api::cinder
