// From a request to its handler and back: route, authenticate, check role, project and microversion, run, turn an Error
// into its reply. One of the two places that catch.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <string>

#include "api/common/actions.h"
#include "api/common/faults.h"
#include "api/common/microversion.h"
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
  void require_action(std::string_view action) const;  // an EVS action; throws Error(Forbidden)
  void require_admin() const;                          // throws Error(Forbidden)
  void require_version(int minor) const;               // of a resource that came with 3.<minor>: Error(UnknownRoute)
};

using CallPtr = std::shared_ptr<Call>;
using Handler = std::function<boost::asio::awaitable<http::Response>(CallPtr)>;

enum class Access : std::uint8_t {
  Public,   // nobody is asked
  Token,    // a good token, whatever its scope; the handler decides
  Project,  // a token of the path's project with the route's actions (actions.h); where that table is silent, with the
            // role reader for GET and HEAD, member otherwise
};

struct DispatcherConfig {
  ErrorCodes error_codes = ErrorCodes::Evs;
  std::string public_url;  // "" : taken from the Host header
};

class Dispatcher {
 public:
  Dispatcher(identity::Authenticator& authenticator, DispatcherConfig config)
      : authenticator_(authenticator), config_(std::move(config)) {}

  void add(http::Verb method, std::string_view pattern, Access access, Handler handler);

  boost::asio::awaitable<http::Response> handle(std::shared_ptr<http::Request> request);
  http::Response fault(const Error& error, const http::Request* request) const;

 private:
  struct Route {
    Access access;
    std::optional<std::vector<std::string_view>> actions;
    Handler handler;
  };

  boost::asio::awaitable<http::Response> run(CallPtr call);
  boost::asio::awaitable<std::shared_ptr<const identity::Identity>> authenticate(const http::Request& request);
  void authorize(Call& call, const Route& route) const;
  std::string base_url(const http::Request& request) const;

  identity::Authenticator& authenticator_;
  const DispatcherConfig config_;
  http::Router<Route> router_;
};

}  // namespace varve::api
