// User messages: why a call that was accepted came to nothing (3.3; paging and filters 3.5).

#include <boost/json.hpp>

#include "api/cinder/cinder_api.h"
#include "api/cinder/filters.h"
#include "api/common/paging.h"
#include "api/common/resource_views.h"

namespace varve::api::cinder {

using http::Verb;
using model::Message;

namespace {

constexpr int kSince = 3;

constexpr FilterSpec kFilters[] = {
    {"event_id", "event_id"},           {"message_level", "level"},       {"request_id", "request_id"},
    {"resource_type", "resource_type"}, {"resource_uuid", "resource_id"}, {"id", "id"},
};
constexpr SortSpec kSortKeys[] = {
    {"id", "id"},
    {"event_id", "event_id"},
    {"message_level", "level"},
    {"request_id", "request_id"},
    {"resource_type", "resource_type"},
    {"resource_uuid", "resource_id"},
    {"created_at", "created_at"},
    {"guaranteed_until", "expires_at"},
};

json::object message_view(const Call& call, const Message& message) {
  std::string rest = call.actor.project_id.str() + "/messages/" + message.id.str();
  json::array links{json::object{{"rel", "self"}, {"href", call.base_url + "/v3/" + rest}},
                    json::object{{"rel", "bookmark"}, {"href", call.base_url + "/" + rest}}};
  json::object out{{"id", message.id.str()},
                   {"event_id", message.event_id},
                   {"user_message", message.text},
                   {"message_level", message.level},
                   {"resource_type", message.resource_type},
                   {"resource_uuid", message.resource_id},
                   {"request_id", message.request_id}};
  out["created_at"] = format_time(message.created_at);
  out["guaranteed_until"] = format_time(message.expires_at);
  out["links"] = std::move(links);
  return out;
}

}  // namespace

std::span<const FilterSpec> message_filters() {
  return kFilters;
}

void CinderApi::register_messages(Dispatcher& d) {
  route_since(d, kSince, Verb::get, "/messages", &CinderApi::list_messages);
  route_since(d, kSince, Verb::get, "/messages/{id}", &CinderApi::show_message);
  route_since(d, kSince, Verb::delete_, "/messages/{id}", &CinderApi::delete_message);
}

CinderApi::Reply CinderApi::list_messages(CallPtr call) {
  model::PageQuery query = parse_page(*call, ListSpec{kFilters, kSortKeys});
  model::Page<Message> page = co_await s_.messages.list(query);
  auto view = [&](const Message& row) { return message_view(*call, row); };
  co_return page_reply(*call, "messages", query, page, view);
}

CinderApi::Reply CinderApi::show_message(CallPtr call) {
  Message message = co_await s_.messages.show(call->actor, MessageId(call->path.get("id")));
  co_return json_reply(200, json::object{{"message", message_view(*call, message)}});
}

CinderApi::Reply CinderApi::delete_message(CallPtr call) {
  co_await s_.messages.remove(call->actor, MessageId(call->path.get("id")));
  co_return empty_reply(204);
}

}  // namespace varve::api::cinder
