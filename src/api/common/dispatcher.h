// From a request to its handler and back: route, authenticate, check project, microversion and what the row says is
// needed, run, turn an Error into its reply.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <string>

#include "api/common/faults.h"
#include "api/common/microversion.h"
#include "api/common/routes.h"
#include "http/message.h"
#include "http/router.h"
#include "identity/authenticator.h"
#include "model/actor.h"

namespace varve::api {

// What a handler works with. Lives as long as the request.
struct Call {
  std::shared_ptr<http::Request> request;
  http::PathParameters path;
  http::Query query;
  std::shared_ptr<const identity::Identity> identity;  // nullptr on public routes
  model::Actor actor;
  Microversion version;
  std::string base_url;  // "http://host:port", as the client sees us, without a slash at the end

  std::string parameter(std::string_view name) const;  // of the query; "" if it is not there
  void require(const Needs& needs) const;              // throws Error(Forbidden)
  void require_action(Action action) const;            // throws Error(Forbidden)
  void require_admin() const;                          // throws Error(Forbidden)
  void require_version(int minor) const;               // of a resource that came with 3.<minor>: Error(UnknownRoute)
};

using Handler = std::function<Reply(CallPtr)>;

struct DispatcherConfig {
  ErrorCodes error_codes = ErrorCodes::Evs;
  std::string public_url;  // "" : taken from the Host header
};

class Dispatcher {
 public:
  Dispatcher(identity::Authenticator& authenticator, DispatcherConfig config)
      : authenticator_(authenticator), config_(std::move(config)) {}

  // Before the first request. A path has one row for a verb. The context outlives every call.
  template <class Context>
  void mount(const Tables<Context>& tables, Context& context) {
    for_each_route(tables, [&](const RouteInfo& info, const Row<Context>& row) {
      add(info, [&context, handler = row.handler](CallPtr call) { return handler(context, std::move(call)); });
    });
  }

  Reply handle(std::shared_ptr<http::Request> request);
  http::Response fault(const Error& error, const http::Request* request) const;

 private:
  struct Route {
    RouteInfo info;
    Handler handler;
  };

  void add(const RouteInfo& info, Handler handler);
  Reply run(CallPtr call);
  boost::asio::awaitable<std::shared_ptr<const identity::Identity>> authenticate(const http::Request& request);
  void identify(Call& call, Scope scope) const;
  const Envelope& envelope_of(const http::Request& request) const;
  std::string base_url(const http::Request& request) const;

  identity::Authenticator& authenticator_;
  const DispatcherConfig config_;
  http::Router<Route> router_;
};

}  // namespace varve::api
