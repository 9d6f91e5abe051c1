// For operators: services, hosts, pools and capabilities. One process does the work of what Cinder calls cinder-volume
// and cinder-scheduler; clients look for these names.

#include <boost/json.hpp>

#include "api/cinder/cinder_api.h"
#include "api/common/body.h"
#include "api/common/replies.h"

namespace varve::api::cinder {

using http::Verb;
using model::ServiceState;

namespace {

constexpr std::string_view kBackend = "@qcow2";

struct KnownService {
  std::string_view binary;
  bool with_backend;  // its host is "<host>@qcow2"
};
constexpr KnownService kServices[] = {{"cinder-volume", true}, {"cinder-scheduler", false}};

std::string host_of(const KnownService& service, const services::Settings& settings) {
  return settings.host_name + (service.with_backend ? std::string(kBackend) : std::string());
}

// A host without its backend names all of its backends.
bool is_host(std::string_view wanted, std::string_view host) {
  return wanted == host || wanted == host.substr(0, host.find('@'));
}

[[noreturn]] void unknown_service(const std::string& host, const std::string& binary) {
  throw Error(ErrorCode::NotFound, "Service " + binary + " could not be found on host " + host + ".");
}

}  // namespace

void CinderApi::register_operation(Dispatcher& d) {
  route(d, Verb::get, "/os-services", &CinderApi::list_services);
  for (const char* action : {"enable", "disable", "disable-log-reason", "freeze", "thaw"}) {
    route(d, Verb::put, std::string("/os-services/") + action, &CinderApi::update_service);
  }
  route(d, Verb::get, "/os-hosts", &CinderApi::list_hosts);
  route(d, Verb::get, "/os-hosts/{host}", &CinderApi::show_host);
  route(d, Verb::get, "/capabilities/{host}", &CinderApi::capabilities);
  route(d, Verb::get, "/scheduler-stats/get_pools", &CinderApi::pools);
}

CinderApi::Reply CinderApi::list_services(CallPtr call) {
  call->require_admin();
  std::string wanted_binary = call->parameter("binary");
  std::string wanted_host = call->parameter("host");
  json::array items;
  for (const KnownService& service : kServices) {
    std::string host = host_of(service, s_.settings);
    bool wanted = (wanted_binary.empty() || wanted_binary == service.binary) &&
                  (wanted_host.empty() || is_host(wanted_host, host));
    if (!wanted) continue;
    ServiceState state = s_.operators.service(std::string(service.binary));
    json::object entry{{"binary", service.binary},
                       {"host", host},
                       {"zone", s_.settings.availability_zones.front()},
                       {"status", state.disabled ? "disabled" : "enabled"},
                       {"state", "up"},
                       {"updated_at", format_time(s_.clock.now())}};
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

// PUT /os-services/<action>. A disabled or frozen cinder-volume takes no new volumes.
CinderApi::Reply CinderApi::update_service(CallPtr call) {
  call->require_admin();
  std::string action = call->request->path.substr(call->request->path.rfind('/') + 1);
  json::value root = parse_body(*call->request);
  Fields fields(root, "body");
  std::string host = fields.required_text("host");
  bool freezing = action == "freeze" || action == "thaw";
  std::string binary = freezing ? std::string("cinder-volume") : fields.required_text("binary");
  std::optional<std::string> reason;
  if (action == "disable-log-reason") reason = fields.required_text("disabled_reason");
  fields.finish();
  const KnownService* known = nullptr;
  for (const KnownService& service : kServices) {
    if (service.binary == binary && is_host(host, host_of(service, s_.settings))) known = &service;
  }
  if (known == nullptr && freezing) Fields::refuse("host", json::value(host), "There is no such host");
  if (known == nullptr) unknown_service(host, binary);
  ServiceState state = s_.operators.service(binary);
  if (freezing) {
    state.frozen = action == "freeze";
  } else {
    state.disabled = action != "enable";
    state.disabled_reason = reason;
  }
  co_await s_.operators.set_service(state);
  if (freezing) co_return empty_reply(202);
  json::object reply{{"host", host}, {"service", binary}, {"binary", binary}};
  reply["disabled"] = state.disabled;
  reply["status"] = state.disabled ? "disabled" : "enabled";
  if (reason) reply["disabled_reason"] = *reason;
  co_return json_reply(200, reply);
}

CinderApi::Reply CinderApi::list_hosts(CallPtr call) {
  call->require_admin();
  json::array items;
  for (const KnownService& service : kServices) {
    bool disabled = s_.operators.service(std::string(service.binary)).disabled;
    items.push_back(json::object{{"service", service.binary},
                                 {"host_name", host_of(service, s_.settings)},
                                 {"zone", s_.settings.availability_zones.front()},
                                 {"service-status", "available"},
                                 {"service-state", disabled ? "disabled" : "enabled"},
                                 {"last-update", format_time(s_.clock.now())}});
  }
  co_return json_reply(200, json::object{{"hosts", std::move(items)}});
}

// What the projects have there: a total, then each of them.
CinderApi::Reply CinderApi::show_host(CallPtr call) {
  call->require_admin();
  std::string host = call->path.get("host");
  if (!is_host(host, s_.settings.host_name + std::string(kBackend))) {
    throw Error(ErrorCode::NotFound, "Host " + host + " could not be found.");
  }
  json::array items;
  for (const services::ProjectUsage& one : s_.operators.usage_by_project()) {
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

CinderApi::Reply CinderApi::capabilities(CallPtr call) {
  call->require_admin();
  std::string host = call->path.get("host");
  std::string_view without_pool = std::string_view(host).substr(0, host.find('#'));
  if (!is_host(without_pool, s_.settings.host_name + std::string(kBackend))) {
    throw Error(ErrorCode::NotFound, "Host " + host + " could not be found.");
  }
  model::Metadata offered = s_.backend.capabilities();
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

CinderApi::Reply CinderApi::pools(CallPtr call) {
  call->require_admin();
  std::string name = s_.settings.host_name + std::string(kBackend) + "#default";
  json::object pool{{"name", name}};
  std::string detail = call->parameter("detail");
  if (!detail.empty() && parse_boolean("detail", detail)) {
    backends::Capacity capacity = s_.backend.capacity();
    constexpr double kGib = 1024.0 * 1024.0 * 1024.0;
    store::Usage provisioned = s_.volumes.summary(std::nullopt).usage;
    json::object capabilities{{"pool_name", "default"},
                              {"total_capacity_gb", static_cast<double>(capacity.total) / kGib},
                              {"free_capacity_gb", static_cast<double>(capacity.available) / kGib},
                              {"provisioned_capacity_gb", provisioned.gib},
                              {"allocated_capacity_gb", provisioned.gib},
                              {"reserved_percentage", 0},
                              {"QoS_support", true},
                              {"thin_provisioning_support", true},
                              {"multiattach", true},
                              {"consistencygroup_support", false}};
    for (const auto& [key, value] : s_.backend.capabilities()) capabilities[key] = value;
    capabilities["timestamp"] = format_time(s_.clock.now());
    pool["capabilities"] = std::move(capabilities);
  }
  co_return json_reply(200, json::object{{"pools", json::array{std::move(pool)}}});
}

}  // namespace varve::api::cinder
