// POST …/action, as Cinder has it: the body is an object with exactly one member, which names what is to be done. What
// a resource can do is a table of its own, and its route is made of that.
#pragma once

#include <boost/json.hpp>
#include <string>

#include "api/common/body.h"
#include "api/common/dispatcher.h"

namespace varve::api {

// What the member holds; null is nothing.
struct Arguments {
  std::string name;  // of the action
  boost::json::value value;

  Fields fields() const { return Fields(value, name); }
  // The one field that is wanted, a text.
  std::string only(std::string_view field) const;
  void expect_none() const {
    if (!value.is_null()) fields().finish();
  }
};

// Takes the one member out. Throws Error(InvalidInput).
Arguments read_action(const http::Request& request);
[[noreturn]] void unknown_action(const std::string& name);

template <const auto& kActions, class Context>
Reply take_action(Context& context, CallPtr call) {
  Arguments given = read_action(*call->request);
  for (const auto& action : kActions) {
    if (action.name != given.name) continue;
    call->require_version(action.since);
    call->require(action.needs);
    co_return co_await action.handler(context, call, std::move(given));
  }
  unknown_action(given.name);
}

template <const auto& kActions, class Context>
constexpr Row<Context> action_row(std::string_view path, int since = 0) {
  return {http::Verb::post, path, "token", take_action<kActions, Context>, since, kActions};
}

}  // namespace varve::api
