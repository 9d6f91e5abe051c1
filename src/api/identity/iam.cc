// What the IAM of the clouds that offer EVS has beside Keystone's calls: custom policies (OS-ROLE), which are assigned
// as roles are, and access keys (OS-CREDENTIAL), with which SDKs sign their requests.

#include "api/identity/resources.h"

namespace varve::api::identity_v3 {

using http::Verb;

namespace {

constexpr std::size_t kMaxStatements = 8;
constexpr std::size_t kMaxActions = 100;  // of one statement
constexpr std::size_t kMaxPattern = 128;

void add_actions(identity::Policy& policy, bool allow, const json::value& actions) {
  if (!actions.is_array() || actions.get_array().empty() || actions.get_array().size() > kMaxActions) {
    Fields::refuse("Action", actions, "A list of 1 to 100 actions is wanted");
  }
  for (const json::value& action : actions.get_array()) {
    if (!action.is_string()) Fields::refuse("Action", action, "An action is a string");
    std::string pattern(action.get_string());
    bool plain = pattern.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:*-_") ==
                 std::string::npos;
    if (pattern.empty() || pattern.size() > kMaxPattern || !plain) {
      Fields::refuse("Action", action, "An action is like evs:volumes:get; * stands for any text");
    }
    policy.push_back({allow, std::move(pattern)});
  }
}

// {"Version": "1.1", "Statement": [{"Effect": "Allow"|"Deny", "Action": [...]}]}
identity::Policy read_policy(Fields& role) {
  Fields document = role.object("policy");
  document.text("Version");
  const json::value* statements = document.any("Statement");
  document.finish();
  if (statements == nullptr || !statements->is_array() || statements->get_array().empty() ||
      statements->get_array().size() > kMaxStatements) {
    Fields::refuse("Statement", statements != nullptr ? *statements : json::value(),
                   "A list of 1 to 8 statements is wanted");
  }
  identity::Policy policy;
  for (const json::value& item : statements->get_array()) {
    Fields statement(item, "Statement");
    std::string effect = statement.required_text("Effect");
    if (effect != "Allow" && effect != "Deny") Fields::refuse("Effect", item, "'Allow' or 'Deny' is wanted");
    const json::value* actions = statement.any("Action");
    // Conditions and resources would narrow a statement: better refused than not obeyed.
    statement.finish();
    add_actions(policy, effect == "Allow", actions != nullptr ? *actions : json::value());
  }
  return policy;
}

identity::RoleSpec read_role(const http::Request& request, bool all) {
  Body body(request, "role");
  Fields& fields = body.fields();
  identity::RoleSpec spec;
  spec.name = all ? fields.required_text("display_name") : fields.text("display_name");
  spec.description = fields.nullable_text("description");
  fields.ignore("description_cn");
  std::string type = fields.text("type").value_or("XA");
  if (type != "XA" && type != "AX") Fields::refuse("type", json::value(type), "'XA' or 'AX' is wanted");
  if (all || fields.has("policy")) spec.policy = read_policy(fields);
  fields.finish();
  return spec;
}

json::object policy_document(const std::string& text) {
  json::array statements;
  for (bool allow : {true, false}) {
    json::array actions;
    for (const identity::Statement& one : identity::decode_policy(text)) {
      if (one.allow == allow) actions.push_back(json::value(one.pattern));
    }
    if (actions.empty()) continue;
    statements.push_back(json::object{{"Effect", allow ? "Allow" : "Deny"}, {"Action", std::move(actions)}});
  }
  return {{"Version", "1.1"}, {"Statement", std::move(statements)}};
}

json::object policy_view(const Call& call, const model::Role& role) {
  json::object out{{"id", role.id}, {"name", role.name}, {"display_name", role.name}, {"catalog", "CUSTOMED"}};
  out["type"] = "XA";
  out["domain_id"] = nullptr;
  out["description"] = role.description ? json::value(*role.description) : json::value("");
  out["policy"] = policy_document(role.policy.value_or(""));
  out["links"] = json::object{{"self", call.base_url + "/identity/v3/roles/" + role.id}};
  return out;
}

// A plain role is none.
boost::asio::awaitable<model::Role> policy_role(identity::Directory& directory, std::string id) {
  model::Role role = co_await directory.role(id);
  if (!role.policy) throw Error(ErrorCode::NotFound, "Could not find policy: " + id + ".");
  co_return role;
}

json::object access_key_view(const model::AccessKey& key) {
  return {{"access", key.id},
          {"user_id", key.user_id.str()},
          {"status", key.active ? "active" : "inactive"},
          {"description", key.description},
          {"create_time", format_time_z(key.created_at)}};
}

void require_owner(const Call& call, const UserId& owner) {
  require_self_or_admin(call, owner.str());
  if (!call.identity->may_manage_credentials) {
    throw Error(ErrorCode::Forbidden, "The application credential of this token may not manage credentials.");
  }
}

Reply list_policies(Context& c, CallPtr call) {
  json::array items;
  for (const model::Role& role : co_await c.directory.roles()) {
    if (role.policy) items.push_back(policy_view(*call, role));
  }
  std::size_t count = items.size();
  json::object reply = list_view(*call, "roles", std::move(items));
  reply["total_number"] = count;
  co_return json_reply(200, reply);
}

Reply show_policy(Context& c, CallPtr call) {
  model::Role role = co_await policy_role(c.directory, call->path.get("id"));
  co_return json_reply(200, json::object{{"role", policy_view(*call, role)}});
}

Reply create_policy(Context& c, CallPtr call) {
  model::Role role = co_await c.directory.create_role(read_role(*call->request, true));
  co_return json_reply(201, json::object{{"role", policy_view(*call, role)}});
}

Reply update_policy(Context& c, CallPtr call) {
  co_await policy_role(c.directory, call->path.get("id"));
  model::Role role = co_await c.directory.update_role(call->path.get("id"), read_role(*call->request, false));
  co_return json_reply(200, json::object{{"role", policy_view(*call, role)}});
}

Reply delete_policy(Context& c, CallPtr call) {
  co_await policy_role(c.directory, call->path.get("id"));
  co_await c.directory.remove_role(call->path.get("id"));
  http::Response response;
  response.status = 200;
  co_return response;
}

Reply list_access_keys(Context& c, CallPtr call) {
  std::string wanted = call->parameter("user_id");
  UserId owner(wanted.empty() ? call->identity->user.id.str() : wanted);
  require_owner(*call, owner);
  json::array items;
  for (const model::AccessKey& key : co_await c.directory.access_keys(owner)) items.push_back(access_key_view(key));
  co_return json_reply(200, json::object{{"credentials", std::move(items)}});
}

Reply show_access_key(Context& c, CallPtr call) {
  model::AccessKey key = co_await c.directory.access_key(call->path.get("id"));
  require_owner(*call, key.user_id);
  co_return json_reply(200, json::object{{"credential", access_key_view(key)}});
}

// The one time that the secret is shown.
Reply create_access_key(Context& c, CallPtr call) {
  Body body(*call->request, "credential");
  std::string wanted = body.fields().text("user_id").value_or(call->identity->user.id.str());
  std::string description = body.fields().text("description").value_or("");
  body.fields().finish();
  require_owner(*call, UserId(wanted));
  model::AccessKey key = co_await c.directory.create_access_key(UserId(wanted), std::move(description));
  json::object view = access_key_view(key);
  view["secret"] = key.secret;
  co_return json_reply(201, json::object{{"credential", std::move(view)}});
}

Reply update_access_key(Context& c, CallPtr call) {
  Body body(*call->request, "credential");
  std::optional<std::string> status = body.fields().text("status");
  std::optional<std::string> description = body.fields().text("description");
  body.fields().finish();
  if (status && *status != "active" && *status != "inactive") {
    Fields::refuse("status", json::value(*status), "'active' or 'inactive' is wanted");
  }
  std::string id = call->path.get("id");
  require_owner(*call, (co_await c.directory.access_key(id)).user_id);
  std::optional<bool> active;
  if (status) active = *status == "active";
  model::AccessKey key = co_await c.directory.update_access_key(id, active, description);
  co_return json_reply(200, json::object{{"credential", access_key_view(key)}});
}

Reply delete_access_key(Context& c, CallPtr call) {
  std::string id = call->path.get("id");
  require_owner(*call, (co_await c.directory.access_key(id)).user_id);
  co_await c.directory.remove_access_key(id);
  co_return empty_reply();
}

constexpr Row<Context> kRows[] = {
    {Verb::get, "/v3.0/OS-ROLE/roles", "admin", list_policies},
    {Verb::post, "/v3.0/OS-ROLE/roles", "admin", create_policy},
    {Verb::get, "/v3.0/OS-ROLE/roles/{id}", "admin", show_policy},
    {Verb::patch, "/v3.0/OS-ROLE/roles/{id}", "admin", update_policy},
    {Verb::delete_, "/v3.0/OS-ROLE/roles/{id}", "admin", delete_policy},
    {Verb::get, "/v3.0/OS-CREDENTIAL/credentials", "token", list_access_keys},
    {Verb::post, "/v3.0/OS-CREDENTIAL/credentials", "token", create_access_key},
    {Verb::get, "/v3.0/OS-CREDENTIAL/credentials/{id}", "token", show_access_key},
    {Verb::put, "/v3.0/OS-CREDENTIAL/credentials/{id}", "token", update_access_key},
    {Verb::delete_, "/v3.0/OS-CREDENTIAL/credentials/{id}", "token", delete_access_key},
};

}  // namespace

Rows iam_rows() {
  return kRows;
}

}  // namespace varve::api::identity_v3
