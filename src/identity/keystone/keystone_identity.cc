#include "identity/keystone/keystone_identity.h"

#include <boost/json.hpp>

#include "base/digest.h"
#include "base/error.h"
#include "base/log.h"
#include "base/offload.h"
#include "base/parse_time.h"

namespace varve::identity {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

constexpr std::size_t kMostCached = 10000;
constexpr auto kRenewBefore = std::chrono::minutes(1);

[[noreturn]] void unauthorized() {
  throw Error(ErrorCode::Unauthorized, "The request you have made requires authentication.");
}

[[noreturn]] void unexpected(const std::string& what, const http::ClientResponse& response) {
  throw Error(ErrorCode::Unavailable, "Keystone does not " + what + ": " + std::to_string(response.status) + " " +
                                          response.body.substr(0, 200));
}

std::string text(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

model::Domain domain_of(const json::object& owner) {
  const json::value* domain = owner.if_contains("domain");
  if (domain == nullptr || !domain->is_object()) return {};
  return {text(domain->get_object(), "id"), text(domain->get_object(), "name"), "", true};
}

Timestamp time_of(const json::object& token, std::string_view key) {
  std::optional<Timestamp> time = parse_time(text(token, key));
  if (!time) throw Error(ErrorCode::Unavailable, "Keystone describes a token without its " + std::string(key));
  return *time;
}

// The token as Keystone describes it. Roles come with those that they imply.
std::shared_ptr<const Identity> identity_of(const json::object& token) {
  auto out = std::make_shared<Identity>();
  const json::object& user = token.at("user").as_object();
  out->user.id = UserId(text(user, "id"));
  out->user.name = text(user, "name");
  out->user_domain = domain_of(user);
  out->user.domain_id = out->user_domain.id;
  if (const json::value* project = token.if_contains("project"); project != nullptr && project->is_object()) {
    const json::object& facts = project->get_object();
    out->project_domain = domain_of(facts);
    out->project = model::Project{ProjectId(text(facts, "id")), out->project_domain.id, text(facts, "name"), "", true};
  }
  if (token.contains("domain")) out->domain = domain_of(token);
  out->system = token.contains("system");
  if (const json::value* roles = token.if_contains("roles"); roles != nullptr && roles->is_array()) {
    for (const json::value& role : roles->get_array()) {
      out->roles.push_back({text(role.as_object(), "id"), text(role.as_object(), "name")});
    }
  }
  out->issued_at = time_of(token, "issued_at");
  out->expires_at = time_of(token, "expires_at");
  return out;
}

}  // namespace

asio::awaitable<std::shared_ptr<const Identity>> KeystoneIdentity::authenticate(std::string token,
                                                                                std::string service_token) {
  if (token.empty()) unauthorized();
  // Tokens are kept as hashes: memory that leaks must not hold any.
  std::string key = sha256_hex(token) + (service_token.empty() ? "" : sha256_hex(service_token));
  if (std::shared_ptr<const Identity> known = cached(key)) co_return known;
  auto ask_there = [this, token, service_token] { return validate(token, service_token); };
  std::shared_ptr<const Identity> identity = co_await calls_.run(std::move(ask_there));
  keep(key, identity);
  co_return identity;
}

asio::awaitable<std::shared_ptr<const Identity>> KeystoneIdentity::authenticate_signature(SignedRequest) {
  throw Error(ErrorCode::Unauthorized, "Requests are signed with access keys of the embedded identity only.");
  co_return nullptr;
}

std::shared_ptr<const Identity> KeystoneIdentity::cached(const std::string& key) {
  MutexLock lock(mutex_);
  auto found = cache_.find(key);
  if (found == cache_.end()) return nullptr;
  if (clock_.steady() < found->second.until) return found->second.identity;
  cache_.erase(found);
  return nullptr;
}

void KeystoneIdentity::keep(const std::string& key, const std::shared_ptr<const Identity>& identity) {
  auto left = std::chrono::duration_cast<std::chrono::seconds>(identity->expires_at - clock_.now());
  auto time = std::min(config_.cache, left);
  if (time <= std::chrono::seconds(0)) return;
  MutexLock lock(mutex_);
  if (cache_.size() >= kMostCached) cache_.clear();
  cache_[key] = {identity, clock_.steady() + time};
}

std::shared_ptr<const Identity> KeystoneIdentity::validate(const std::string& token, const std::string& service_token) {
  bool for_service = false;
  if (!service_token.empty()) {
    std::shared_ptr<const Identity> service = ask(service_token, false);
    for_service = service && service->has_role(config_.service_role);
    if (!for_service) unauthorized();
  }
  std::shared_ptr<const Identity> identity = ask(token, for_service);
  if (!identity) unauthorized();
  return identity;
}

// nullptr: Keystone knows no such token.
std::shared_ptr<const Identity> KeystoneIdentity::ask(const std::string& token, bool allow_expired) {
  for (bool again : {false, true}) {
    http::ClientRequest request;
    request.url = config_.url + "/auth/tokens?nocatalog=1" + (allow_expired ? "&allow_expired=1" : "");
    request.headers = {{"X-Auth-Token", again ? login() : this->service_token()}, {"X-Subject-Token", token}};
    http::ClientResponse response = client_.send(request);
    if (response.status == 404) return nullptr;
    if (response.status == 401 && !again) continue;  // the service user's token was revoked
    if (response.status != 200) unexpected("validate tokens", response);
    try {
      return identity_of(json::parse(response.body).at("token").as_object());
    } catch (const boost::system::system_error& fault) {
      throw Error(ErrorCode::Unavailable, std::string("Keystone describes a token strangely: ") + fault.what());
    }
  }
  return nullptr;
}

std::string KeystoneIdentity::service_token() {
  {
    MutexLock lock(mutex_);
    if (!own_token_.empty() && clock_.now() + kRenewBefore < own_token_ends_) return own_token_;
  }
  return login();
}

std::string KeystoneIdentity::login() {
  auto named = [](const std::string& name, const std::string& domain) {
    return json::object{{"name", name}, {"domain", json::object{{"name", domain}}}};
  };
  json::object user = named(config_.username, config_.user_domain);
  user["password"] = config_.password;
  json::object identity{{"methods", json::array{"password"}}, {"password", json::object{{"user", std::move(user)}}}};
  json::object scope{{"project", named(config_.project, config_.project_domain)}};
  json::object auth{{"identity", std::move(identity)}, {"scope", std::move(scope)}};
  http::ClientRequest request;
  request.method = "POST";
  request.url = config_.url + "/auth/tokens?nocatalog=1";
  request.headers = {{"Content-Type", "application/json"}};
  request.body = json::serialize(json::object{{"auth", std::move(auth)}});
  http::ClientResponse response = client_.send(request);
  std::string token(response.header("x-subject-token"));
  if (response.status != 201 || token.empty()) unexpected("let the service user in", response);
  Timestamp ends;
  try {
    ends = time_of(json::parse(response.body).at("token").as_object(), "expires_at");
  } catch (const boost::system::system_error& fault) {
    throw Error(ErrorCode::Unavailable, std::string("Keystone describes a token strangely: ") + fault.what());
  }
  log::debug("the service user has a new token of Keystone");
  MutexLock lock(mutex_);
  own_token_ = token;
  own_token_ends_ = ends;
  return token;
}

}  // namespace varve::identity
