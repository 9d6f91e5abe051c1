#include "api/identity/identity_views.h"

#include "base/digest.h"

namespace varve::api::identity_v3 {

namespace {

json::object self_link(const Call& call, const std::string& path) {
  return {{"self", call.base_url + "/identity/v3/" + path}};
}

json::object domain_reference(const model::Domain& domain) {
  return {{"id", domain.id}, {"name", domain.name}};
}

// Catalog ids need to be the same at every call, nothing else.
std::string stable_id(const std::string& text) {
  return sha256_hex(text).substr(0, 32);
}

}  // namespace

http::Response json_reply(unsigned status, const json::value& body) {
  http::Response response;
  response.status = status;
  response.body = json::serialize(body);
  response.headers.emplace_back("Vary", "X-Auth-Token");
  return response;
}

http::Response empty_reply() {
  http::Response response;
  response.status = 204;
  return response;
}

json::array catalog_view(const Call& call, const Catalog& from, const std::optional<model::Project>& project) {
  json::array catalog;
  auto add = [&](const char* type, const char* name, const std::string& url) {
    json::array endpoints;
    for (const char* interface : {"public", "internal", "admin"}) {
      endpoints.push_back(json::object{{"id", stable_id(std::string(type) + interface)},
                                       {"interface", interface},
                                       {"region", from.region},
                                       {"region_id", from.region},
                                       {"url", url}});
    }
    catalog.push_back(
        json::object{{"id", stable_id(type)}, {"type", type}, {"name", name}, {"endpoints", std::move(endpoints)}});
  };
  add("identity", "varve", call.base_url + "/identity");
  if (project) {
    std::string id = project->id.str();
    add("volumev3", "cinderv3", call.base_url + "/v3/" + id);
    add("volumev2", "cinderv2", call.base_url + "/v2/" + id);
    add("block-storage", "cinder", call.base_url + "/v3/" + id);
    // openstackclient asks for an image endpoint even when it does not use it.
    add("image", "glance", from.image_endpoint.empty() ? call.base_url + "/image" : from.image_endpoint);
  }
  return catalog;
}

json::object token_view(const Call& call, const Catalog& from, const identity::Identity& who, bool with_catalog) {
  json::object token;
  token["methods"] = json::array(who.methods.begin(), who.methods.end());
  token["user"] = json::object{{"id", who.user.id.str()},
                               {"name", who.user.name},
                               {"domain", domain_reference(who.user_domain)},
                               {"password_expires_at", nullptr}};
  token["audit_ids"] = json::array{who.token_id};
  token["issued_at"] = format_time_z(who.issued_at);
  token["expires_at"] = format_time_z(who.expires_at);
  bool scoped = who.project || who.domain || who.system;
  if (who.project) {
    token["project"] = json::object{
        {"id", who.project->id.str()}, {"name", who.project->name}, {"domain", domain_reference(who.project_domain)}};
    token["is_domain"] = false;
  }
  if (who.domain) token["domain"] = domain_reference(*who.domain);
  if (who.system) token["system"] = json::object{{"all", true}};
  if (!scoped) return token;
  json::array roles;
  for (const model::Role& role : who.roles) roles.push_back(json::object{{"id", role.id}, {"name", role.name}});
  token["roles"] = std::move(roles);
  if (with_catalog) token["catalog"] = catalog_view(call, from, who.project);
  return token;
}

json::object view(const Call& call, const model::Domain& domain) {
  return {{"id", domain.id},
          {"name", domain.name},
          {"description", domain.description},
          {"enabled", domain.enabled},
          {"options", json::object()},
          {"tags", json::array()},
          {"links", self_link(call, "domains/" + domain.id)}};
}

json::object view(const Call& call, const model::Project& project) {
  return {{"id", project.id.str()},
          {"name", project.name},
          {"domain_id", project.domain_id},
          {"parent_id", project.domain_id},
          {"description", project.description},
          {"enabled", project.enabled},
          {"is_domain", false},
          {"options", json::object()},
          {"tags", json::array()},
          {"links", self_link(call, "projects/" + project.id.str())}};
}

json::object view(const Call& call, const model::User& user) {
  json::object out{{"id", user.id.str()},         {"name", user.name},
                   {"domain_id", user.domain_id}, {"description", user.description},
                   {"enabled", user.enabled},     {"password_expires_at", nullptr},
                   {"options", json::object()},   {"links", self_link(call, "users/" + user.id.str())}};
  if (user.email) out["email"] = *user.email;
  if (user.default_project_id) out["default_project_id"] = user.default_project_id->str();
  return out;
}

json::object view(const Call& call, const model::Group& group) {
  return {{"id", group.id},
          {"name", group.name},
          {"domain_id", group.domain_id},
          {"description", group.description},
          {"links", self_link(call, "groups/" + group.id)}};
}

json::object view(const Call& call, const model::Role& role) {
  json::object out{{"id", role.id},
                   {"name", role.name},
                   {"domain_id", nullptr},
                   {"options", json::object()},
                   {"links", self_link(call, "roles/" + role.id)}};
  out["description"] = role.description ? json::value(*role.description) : json::value(nullptr);
  return out;
}

json::object credential_view(const Call& call, const model::ApplicationCredential& credential,
                             const std::vector<model::Role>& roles) {
  json::array granted;
  for (const model::Role& role : roles) {
    if (std::ranges::find(credential.roles, role.name) != credential.roles.end()) {
      granted.push_back(json::object{{"id", role.id}, {"name", role.name}, {"domain_id", nullptr}});
    }
  }
  json::object out{{"id", credential.id},
                   {"name", credential.name},
                   {"user_id", credential.user_id.str()},
                   {"project_id", credential.project_id.str()},
                   {"unrestricted", credential.unrestricted},
                   {"system", nullptr},
                   {"roles", std::move(granted)}};
  out["description"] = credential.description ? json::value(*credential.description) : json::value(nullptr);
  out["expires_at"] = credential.expires_at ? json::value(format_time(*credential.expires_at)) : json::value(nullptr);
  out["links"] = self_link(call, "users/" + credential.user_id.str() + "/application_credentials/" + credential.id);
  return out;
}

json::object list_view(const Call& call, std::string_view name, json::array items) {
  json::object out;
  out[name] = std::move(items);
  out["links"] = json::object{{"next", nullptr}, {"self", call.base_url + call.request->path}, {"previous", nullptr}};
  return out;
}

}  // namespace varve::api::identity_v3
