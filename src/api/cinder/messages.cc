// User messages: why a call that was accepted came to nothing (3.3; paging and filters 3.5).

#include <boost/json.hpp>

#include "api/cinder/filters.h"
#include "api/cinder/rows.h"
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

Reply list_messages(Services& s, CallPtr call) {
  model::PageQuery query = parse_page(*call, ListSpec{kFilters, kSortKeys});
  model::Page<Message> page = co_await s.messages.list(query);
  auto view = [&](const Message& row) { return message_view(*call, row); };
  co_return page_reply(*call, "messages", query, page, view);
}

Reply show_message(Services& s, CallPtr call) {
  Message message = co_await s.messages.show(call->actor, MessageId(call->path.get("id")));
  co_return json_reply(200, json::object{{"message", message_view(*call, message)}});
}

Reply delete_message(Services& s, CallPtr call) {
  co_await s.messages.remove(call->actor, MessageId(call->path.get("id")));
  co_return empty_reply(204);
}

constexpr Row<Services> kRows[] = {
    {Verb::get, "/messages", "member", list_messages, kSince},
    {Verb::get, "/messages/{id}", "member", show_message, kSince},
    {Verb::delete_, "/messages/{id}", "member", delete_message, kSince},
};

}  // namespace

std::span<const FilterSpec> message_filters() {
  return kFilters;
}

Rows messages_rows() {
  return kRows;
}

}  // namespace varve::api::cinder
