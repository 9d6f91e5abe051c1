// Version documents, tokens, the catalog, and what a user may ask about itself.

#include "api/identity/resources.h"

namespace varve::api::identity_v3 {

using http::Verb;
using identity::LoginRequest;
using identity::Reference;
using identity::ScopeRequest;

namespace {

json::object version_view(const Call& call) {
  return {{"id", "v3.14"},
          {"status", "stable"},
          {"updated", "2020-04-07T00:00:00Z"},
          {"links", json::array{json::object{{"rel", "self"}, {"href", call.base_url + "/identity/v3/"}}}},
          {"media-types", json::array{json::object{{"base", "application/json"},
                                                   {"type", "application/vnd.openstack.identity-v3+json"}}}}};
}

// {"id"} or {"name", "domain": {"id" | "name"}}
Reference read_reference(Fields& fields) {
  Reference reference;
  reference.id = fields.text("id");
  reference.name = fields.text("name");
  if (fields.has("domain") && !fields.is_null("domain")) {
    Fields domain = fields.object("domain");
    reference.domain_id = domain.text("id");
    reference.domain_name = domain.text("name");
  }
  return reference;
}

void read_scope(const json::value& scope, ScopeRequest& request) {
  using Kind = ScopeRequest::Kind;
  if (scope.is_string() && scope.as_string() == "unscoped") {
    request.kind = Kind::Unscoped;
    return;
  }
  Fields fields(scope, "scope");
  if (fields.has("project")) {
    Fields target = fields.object("project");
    request.kind = Kind::Project;
    request.target = read_reference(target);
  } else if (fields.has("domain")) {
    Fields target = fields.object("domain");
    request.kind = Kind::Domain;
    request.target.id = target.text("id");
    request.target.name = target.text("name");
  } else if (fields.has("system")) {
    request.kind = Kind::System;
  } else {
    Fields::refuse("scope", scope, "One of project, domain and system is wanted");
  }
}

LoginRequest read_login(const json::object& body) {
  const json::value* auth = body.if_contains("auth");
  if (auth == nullptr) throw Error(ErrorCode::InvalidInput, "'auth' is a required property");
  Fields fields(*auth, "auth");
  Fields who = fields.object("identity");
  LoginRequest request;
  const json::value* methods = who.any("methods");
  if (methods == nullptr || !methods->is_array()) {
    throw Error(ErrorCode::InvalidInput, "Invalid input for field identity/methods: a list of methods is wanted");
  }
  constexpr std::size_t kPassword = 4096;
  for (const json::value& method : methods->get_array()) {
    std::string name = method.is_string() ? std::string(method.get_string()) : std::string();
    if (name == "password") {
      Fields user = who.object("password").object("user");
      request.user = read_reference(user);
      request.password = user.required_text("password", kPassword);
    } else if (name == "token") {
      request.token = who.object("token").required_text("id", kPassword);
    } else if (name == "application_credential") {
      Fields credential = who.object("application_credential");
      request.credential.id = credential.text("id");
      request.credential.name = credential.text("name");
      request.credential_secret = credential.required_text("secret", kPassword);
      if (credential.has("user")) {
        Fields user = credential.object("user");
        request.user = read_reference(user);
      }
    } else {
      throw Error(ErrorCode::Unauthorized, "Unsupported authentication method: " + name.substr(0, 50));
    }
    request.methods.push_back(name);
  }
  if (request.methods.size() != 1)
    throw Error(ErrorCode::Unauthorized, "Exactly one authentication method is supported.");
  if (const json::value* scope = fields.any("scope")) read_scope(*scope, request.scope);
  return request;
}

Reply versions(Context& c, CallPtr call) {
  json::object values{{"values", json::array{version_view(*call)}}};
  co_return json_reply(300, json::object{{"versions", std::move(values)}});
}

Reply version(Context& c, CallPtr call) {
  co_return json_reply(200, json::object{{"version", version_view(*call)}});
}

Reply login(Context& c, CallPtr call) {
  LoginRequest request = read_login(parse_body(*call->request));
  request.peer = call->request->peer;
  identity::Login login = co_await c.directory.login(std::move(request));
  bool with_catalog = call->parameter("nocatalog").empty();
  json::object token = token_view(*call, c.catalog, *login.identity, with_catalog);
  http::Response response = json_reply(201, json::object{{"token", std::move(token)}});
  response.headers.emplace_back("X-Subject-Token", login.token);
  co_return response;
}

// One may look at one's own token; administrators and services at any.
Reply show_token(Context& c, CallPtr call) {
  std::string subject(call->request->header("X-Subject-Token"));
  bool own = subject == call->request->header("X-Auth-Token");
  if (!own && !call->identity->is_admin() && !call->identity->has_role("service")) call->require_admin();
  std::shared_ptr<const identity::Identity> who;
  try {
    who = co_await c.directory.authenticate(subject, "");
  } catch (const Error& fault) {
    if (fault.code() != ErrorCode::Unauthorized) throw;
  }
  if (!who) throw Error(ErrorCode::NotFound, "Could not find token.");
  json::object token = token_view(*call, c.catalog, *who, call->parameter("nocatalog").empty());
  http::Response response = json_reply(200, json::object{{"token", std::move(token)}});
  response.headers.emplace_back("X-Subject-Token", subject);
  co_return response;
}

Reply revoke_token(Context& c, CallPtr call) {
  std::string subject(call->request->header("X-Subject-Token"));
  if (subject != call->request->header("X-Auth-Token")) call->require_admin();
  co_await c.directory.revoke(subject);
  co_return empty_reply();
}

Reply catalog(Context& c, CallPtr call) {
  json::array items = catalog_view(*call, c.catalog, call->identity->project);
  co_return json_reply(200, list_view(*call, "catalog", std::move(items)));
}

Reply services(Context& c, CallPtr call) {
  json::array items;
  for (const json::value& entry : catalog_view(*call, c.catalog, call->identity->project)) {
    json::object service = entry.as_object();
    service.erase("endpoints");
    service["enabled"] = true;
    items.push_back(std::move(service));
  }
  co_return json_reply(200, list_view(*call, "services", std::move(items)));
}

Reply endpoints(Context& c, CallPtr call) {
  json::array items;
  for (const json::value& entry : catalog_view(*call, c.catalog, call->identity->project)) {
    for (const json::value& one : entry.at("endpoints").as_array()) {
      json::object endpoint = one.as_object();
      endpoint["service_id"] = entry.at("id");
      endpoint["enabled"] = true;
      items.push_back(std::move(endpoint));
    }
  }
  co_return json_reply(200, list_view(*call, "endpoints", std::move(items)));
}

Reply regions(Context& c, CallPtr call) {
  json::array items{json::object{{"id", c.catalog.region}, {"description", ""}, {"parent_region_id", nullptr}}};
  co_return json_reply(200, list_view(*call, "regions", std::move(items)));
}

Reply own_projects(Context& c, CallPtr call) {
  co_return list_reply(*call, co_await c.directory.projects_of(call->identity->user.id));
}

Reply own_domains(Context& c, CallPtr call) {
  json::array items;
  for (const model::RoleAssignment& one : co_await c.directory.assignments()) {
    if (one.user_id != call->identity->user.id || one.target_kind != "domain") continue;
    items.push_back(view(*call, co_await c.directory.domain(one.target_id)));
  }
  co_return json_reply(200, list_view(*call, "domains", std::move(items)));
}

Reply own_system(Context& c, CallPtr call) {
  json::array items;
  for (const model::RoleAssignment& one : co_await c.directory.assignments()) {
    if (one.user_id != call->identity->user.id || one.target_kind != "system") continue;
    items.push_back(json::object{{"all", true}});
    break;
  }
  co_return json_reply(200, list_view(*call, "system", std::move(items)));
}

constexpr Row<Context> kRows[] = {
    {Verb::get, "", "anyone", versions},
    {Verb::get, "/", "anyone", versions},
    {Verb::get, "/v3", "anyone", version},
    {Verb::get, "/v3/", "anyone", version},
    {Verb::post, "/v3/auth/tokens", "anyone", login},
    {Verb::get, "/v3/auth/tokens", "token", show_token},
    {Verb::delete_, "/v3/auth/tokens", "token", revoke_token},
    {Verb::get, "/v3/auth/catalog", "token", catalog},
    {Verb::get, "/v3/auth/projects", "token", own_projects},
    {Verb::get, "/v3/auth/domains", "token", own_domains},
    {Verb::get, "/v3/auth/system", "token", own_system},
    {Verb::get, "/v3/services", "token", services},
    {Verb::get, "/v3/endpoints", "token", endpoints},
    {Verb::get, "/v3/regions", "token", regions},
};

}  // namespace

Rows tokens_rows() {
  return kRows;
}

}  // namespace varve::api::identity_v3
