#include <boost/json.hpp>

#include "api/cinder/cinder_api.h"
#include "api/cinder/connectors.h"
#include "api/cinder/filters.h"
#include "api/common/body.h"
#include "api/common/paging.h"
#include "api/common/resource_views.h"

namespace varve::api::cinder {

using http::Verb;
using model::Attachment;

namespace {

constexpr FilterSpec kFilters[] = {
    {"status", "status"},           {"volume_id", "volume_id"},
    {"instance_id", "instance_id"}, {"instance_uuid", "instance_id"},
    {"attach_status", "status"},    {"id", "id"},
};
constexpr SortSpec kSortKeys[] = {
    {"id", "id"}, {"status", "status"}, {"created_at", "created_at"}, {"volume_id", "volume_id"}};

// The whole resource came with 3.27.
constexpr int kSince = 27;
constexpr int kCompletion = 44;

}  // namespace

std::span<const FilterSpec> attachment_filters() {
  return kFilters;
}

void CinderApi::register_attachments(Dispatcher& d) {
  route_since(d, kSince, Verb::post, "/attachments", &CinderApi::create_attachment);
  route_since(d, kSince, Verb::get, "/attachments", &CinderApi::list_attachments);
  route_since(d, kSince, Verb::get, "/attachments/detail", &CinderApi::list_attachments_detail);
  route_since(d, kSince, Verb::get, "/attachments/{id}", &CinderApi::show_attachment);
  route_since(d, kSince, Verb::put, "/attachments/{id}", &CinderApi::update_attachment);
  route_since(d, kSince, Verb::delete_, "/attachments/{id}", &CinderApi::delete_attachment);
  route_since(d, kCompletion, Verb::post, "/attachments/{id}/action", &CinderApi::attachment_action);
}

CinderApi::Reply CinderApi::create_attachment(CallPtr call) {
  Body body(*call->request, "attachment");
  Fields& fields = body.fields();
  services::AttachmentSpec spec;
  spec.volume_id = VolumeId(fields.required_uuid("volume_uuid"));
  spec.snapshot_id = fields.uuid("snapshot_uuid");
  spec.instance_id = fields.uuid("instance_uuid");
  bool connected = fields.has("connector") && !fields.is_null("connector");
  if (connected) {
    read_connector(fields, spec);
  } else {
    fields.ignore("connector");
  }
  if (call->version.at_least(54)) {
    std::optional<std::string> mode = fields.text("mode");
    if (mode) spec.mode = read_mode("mode", *mode);
  }
  fields.finish();
  Attachment made = co_await s_.attachments.create(call->actor, std::move(spec));
  co_return json_reply(200, json::object{{"attachment", attachment_view(made, true)}});
}

CinderApi::Reply CinderApi::list_attachments(CallPtr call) {
  return attachment_page(std::move(call), false);
}
CinderApi::Reply CinderApi::list_attachments_detail(CallPtr call) {
  return attachment_page(std::move(call), true);
}

CinderApi::Reply CinderApi::attachment_page(CallPtr call, bool detail) {
  model::PageQuery query = parse_page(*call, ListSpec{kFilters, kSortKeys});
  model::Page<Attachment> page = co_await s_.attachments.list(query);
  auto view = [&](const Attachment& row) { return attachment_view(row, detail); };
  co_return page_reply(*call, "attachments", query, page, view);
}

CinderApi::Reply CinderApi::show_attachment(CallPtr call) {
  Attachment attachment = co_await s_.attachments.show(call->actor, AttachmentId(call->path.get("id")));
  co_return json_reply(200, json::object{{"attachment", attachment_view(attachment, true)}});
}

CinderApi::Reply CinderApi::update_attachment(CallPtr call) {
  Body body(*call->request, "attachment");
  services::AttachmentSpec spec;
  read_connector(body.fields(), spec);
  body.fields().finish();
  Attachment attachment =
      co_await s_.attachments.connect(call->actor, AttachmentId(call->path.get("id")), std::move(spec));
  co_return json_reply(200, json::object{{"attachment", attachment_view(attachment, true)}});
}

CinderApi::Reply CinderApi::delete_attachment(CallPtr call) {
  std::vector<Attachment> left = co_await s_.attachments.remove(call->actor, AttachmentId(call->path.get("id")));
  json::array items;
  for (const Attachment& row : left) items.push_back(attachment_view(row, false));
  co_return json_reply(200, json::object{{"attachments", std::move(items)}});
}

CinderApi::Reply CinderApi::attachment_action(CallPtr call) {
  json::object body = parse_body(*call->request);
  if (body.size() != 1 || !body.contains("os-complete")) {
    throw Error(ErrorCode::InvalidInput, "There is no such action here: only os-complete.");
  }
  co_await s_.attachments.complete(call->actor, AttachmentId(call->path.get("id")));
  co_return empty_reply(204);
}

}  // namespace varve::api::cinder
