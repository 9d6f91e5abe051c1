// The handlers that are the same for every kind of resource. A row of a table names the call of the Directory that one
// makes, and who reads the body: {Verb::patch, "/v3/users/{id}", "admin", update<&Directory::update_user, read_user>}.
#pragma once

#include <concepts>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "api/common/body.h"
#include "api/identity/identity_views.h"
#include "api/identity/rows.h"
#include "identity/kinds.h"

namespace varve::api::identity_v3 {

using identity::Directory;
using identity::kKind;

template <class T>
http::Response one_reply(unsigned status, const Call& call, const T& row) {
  json::object body;
  body[kKind<T>] = view(call, row);
  return json_reply(status, body);
}

template <class T, std::predicate<const T&> Wanted>
http::Response list_reply(const Call& call, const std::vector<T>& rows, const Wanted& wanted) {
  json::array items;
  for (const T& row : rows) {
    if (wanted(row)) items.push_back(view(call, row));
  }
  return json_reply(200, list_view(call, std::string(kKind<T>) + "s", std::move(items)));
}

template <class T>
http::Response list_reply(const Call& call, const std::vector<T>& rows) {
  return list_reply(call, rows, [](const T&) { return true; });
}

// ?name=, ?domain_id= and ?enabled=, of what has them.
template <class T>
bool matches(const Call& call, const T& row) {
  auto passes = [&](const char* parameter, const std::string& value) {
    std::string wanted = call.parameter(parameter);
    return wanted.empty() || wanted == value;
  };
  if (!passes("name", row.name)) return false;
  if constexpr (requires { row.domain_id; }) {
    if (!passes("domain_id", row.domain_id)) return false;
  }
  if constexpr (requires { row.enabled; }) {
    std::string wanted = call.parameter("enabled");
    return wanted.empty() || parse_boolean("enabled", wanted) == row.enabled;
  }
  return true;
}

inline void require_self_or_admin(const Call& call, const std::string& user) {
  if (call.identity->user.id.str() != user) call.require_admin();
}

// What a call of the Directory brings.
template <auto kCall, class... Arguments>
using Brought = typename std::invoke_result_t<decltype(kCall), Directory&, Arguments...>::value_type;

template <auto kAll>
Reply list(Context& c, CallPtr call) {
  auto rows = co_await (c.directory.*kAll)();
  co_return list_reply(*call, rows, [&](const auto& row) { return matches(*call, row); });
}

template <auto kOne>
Reply show(Context& c, CallPtr call) {
  auto row = co_await (c.directory.*kOne)(call->path.get("id"));
  co_return one_reply(200, *call, row);
}

// kRead(Fields&, bool all) reads the spec; all: what one must have is required.
template <auto kCreate, auto kRead>
Reply create(Context& c, CallPtr call) {
  using Spec = std::invoke_result_t<decltype(kRead), Fields&, bool>;
  Body body(*call->request, kKind<Brought<kCreate, Spec>>);
  Spec spec = kRead(body.fields(), true);
  auto row = co_await (c.directory.*kCreate)(std::move(spec));
  co_return one_reply(201, *call, row);
}

template <auto kUpdate, auto kRead>
Reply update(Context& c, CallPtr call) {
  using Spec = std::invoke_result_t<decltype(kRead), Fields&, bool>;
  Body body(*call->request, kKind<Brought<kUpdate, std::string, Spec>>);
  Spec spec = kRead(body.fields(), false);
  auto row = co_await (c.directory.*kUpdate)(call->path.get("id"), std::move(spec));
  co_return one_reply(200, *call, row);
}

template <auto kRemove>
Reply remove(Context& c, CallPtr call) {
  co_await (c.directory.*kRemove)(call->path.get("id"));
  co_return empty_reply();
}

}  // namespace varve::api::identity_v3
