#include "api/common/dispatcher.h"

#include <boost/beast/http/verb.hpp>

#include "api/common/signature.h"
#include "base/log.h"
#include "model/reason.h"

namespace varve::api {

namespace asio = boost::asio;

namespace {

bool is_volume_v3(std::string_view path) {
  return path.starts_with("/v3/");
}

bool reads(http::Verb method) {
  return method == http::Verb::get || method == http::Verb::head;
}

std::string names(const std::vector<http::Verb>& verbs) {
  std::string out;
  for (http::Verb verb : verbs) {
    auto name = boost::beast::http::to_string(verb);
    out += (out.empty() ? "" : ", ") + std::string(name.data(), name.size());
  }
  return out;
}

}  // namespace

std::string Call::parameter(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return {};
}

void Call::require(const Needs& needs) const {
  if (needs.who() == Needs::Who::Admin) require_admin();
  const char* role = reads(request->method) ? "reader" : "member";
  if (needs.who() == Needs::Who::Member && !identity->has_role(role)) {
    throw Error(ErrorCode::Forbidden, "Policy check failed: the role " + std::string(role) + " is needed.",
                Reason::RoleMissing);
  }
  for (Action action : needs.actions()) require_action(action);
}

void Call::require_action(Action action) const {
  if (identity->allows(action.name())) return;
  const char* role = identity::is_reading(action.name()) ? "reader" : "member";
  throw Error(ErrorCode::Forbidden,
              "Policy check failed: the action " + std::string(action.name()) + " is not allowed; it needs the role " +
                  role + " or a policy that allows it, and none that denies it.",
              Reason::ActionDenied);
}

void Call::require_admin() const {
  if (!actor.admin) throw Error(ErrorCode::Forbidden, "Policy check failed: the role admin is needed.");
}

void Call::require_version(int minor) const {
  if (version.at_least(minor)) return;
  throw Error(ErrorCode::UnknownRoute,
              "The resource could not be found: it needs microversion 3." + std::to_string(minor) + ".");
}

void Dispatcher::add(const RouteInfo& info, Handler handler) {
  router_.add(info.verb, info.pattern, Route{info, std::move(handler)});
}

std::string Dispatcher::base_url(const http::Request& request) const {
  if (!config_.public_url.empty()) return config_.public_url;
  return (request.secure ? "https://" : "http://") + std::string(request.header("Host"));
}

// Of the path's rows. A path without any answers as Keystone below /identity, else as Cinder.
const Envelope& Dispatcher::envelope_of(const http::Request& request) const {
  auto match = router_.find(request.method, request.path);
  if (match.nearest != nullptr) return *match.nearest->info.envelope;
  return request.path.starts_with("/identity") ? kKeystoneFaults : kCinderFaults;
}

http::Response Dispatcher::fault(const Error& error, const http::Request* request) const {
  const Envelope& envelope = request != nullptr ? envelope_of(*request) : kCinderFaults;
  http::Response response = fault_response(error, config_.error_codes, envelope);
  if (error.code() == ErrorCode::Unauthorized && request != nullptr) {
    response.headers.emplace_back("WWW-Authenticate", "Keystone uri=\"" + base_url(*request) + "/identity/v3\"");
  }
  return response;
}

asio::awaitable<http::Response> Dispatcher::handle(std::shared_ptr<http::Request> request) {
  auto call = std::make_shared<Call>();
  call->request = request;
  http::Response response;
  try {
    response = co_await run(call);
  } catch (const Error& error) {
    if (fault_of(error.code()).status >= 500) {
      log::error("request failed", {{"request_id", request->request_id}, {"error", error.message()}});
    }
    response = fault(error, request.get());
    if (error.code() == ErrorCode::MethodNotAllowed) {
      auto match = router_.find(request->method, request->path);
      response.headers.emplace_back("Allow", names(match.allowed));
    }
  } catch (const std::exception& error) {
    log::error("request failed by an exception", {{"request_id", request->request_id}, {"error", error.what()}});
    response = fault(Error(ErrorCode::Internal, error.what()), request.get());
  }
  if (is_volume_v3(request->path)) {
    response.headers.emplace_back("OpenStack-API-Version", "volume " + call->version.text());
    response.headers.emplace_back("Vary", "OpenStack-API-Version");
  }
  log::debug("request", {{"request_id", request->request_id},
                         {"method", request->method_name},
                         {"path", request->path},
                         {"status", static_cast<int>(response.status)},
                         {"project_id", call->actor.project_id}});
  co_return response;
}

asio::awaitable<http::Response> Dispatcher::run(CallPtr call) {
  const http::Request& request = *call->request;
  auto match = router_.find(request.method, request.path);
  if (match.handler == nullptr && match.allowed.empty()) {
    throw Error(ErrorCode::UnknownRoute, "The resource could not be found: no such path.");
  }
  if (match.handler == nullptr) {
    throw Error(ErrorCode::MethodNotAllowed, "The method " + request.method_name +
                                                 " is not allowed here; allowed are " + names(match.allowed) + ".");
  }
  call->path = std::move(match.parameters);
  call->base_url = base_url(request);
  const RouteInfo& route = match.handler->info;
  if (route.needs.who() != Needs::Who::Anyone) {
    call->identity = co_await authenticate(request);
    identify(*call, route.scope);
  }
  if (is_volume_v3(request.path)) call->version = parse_microversion(request.header("OpenStack-API-Version"));
  call->require_version(route.since);
  if (call->identity) call->require(route.needs);
  call->query = http::parse_query(request.query);
  co_return co_await match.handler->handler(call);
}

asio::awaitable<std::shared_ptr<const identity::Identity>> Dispatcher::authenticate(const http::Request& request) {
  std::string token(request.header("X-Auth-Token"));
  if (token.empty()) {
    if (std::optional<identity::SignedRequest> signature = read_signature(request)) {
      co_return co_await authenticator_.authenticate_signature(std::move(*signature));
    }
  }
  std::string service_token(request.header("X-Service-Token"));
  co_return co_await authenticator_.authenticate(std::move(token), std::move(service_token));
}

void Dispatcher::identify(Call& call, Scope scope) const {
  const identity::Identity& who = *call.identity;
  call.actor.user_id = who.user.id;
  call.actor.admin = who.is_admin();
  call.actor.token = call.request->header("X-Auth-Token");
  call.actor.request_id = call.request->request_id;
  if (who.project) call.actor.project_id = who.project->id;
  if (scope == Scope::Any) return;
  if (!who.project) throw Error(ErrorCode::Forbidden, "Policy check failed: the token is not scoped to a project.");
  if (call.path.has("project_id") && call.path.get("project_id") != who.project->id.str()) {
    throw Error(ErrorCode::MalformedUrl,
                "Malformed request url: the token is not one of project " + call.path.get("project_id") + ".");
  }
}

}  // namespace varve::api
