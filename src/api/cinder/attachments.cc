#include <boost/json.hpp>

#include "api/cinder/connectors.h"
#include "api/cinder/filters.h"
#include "api/cinder/rows.h"
#include "api/common/action_rows.h"
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

Reply create_attachment(Services& s, CallPtr call) {
  Body body(*call->request, "attachment");
  Fields& fields = body.fields();
  services::AttachmentSpec spec;
  spec.volume_id = fields.required_id<VolumeId>("volume_uuid");
  spec.snapshot_id = fields.id<SnapshotId>("snapshot_uuid");
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
  Attachment made = co_await s.attachments.create(call->actor, std::move(spec));
  co_return json_reply(200, json::object{{"attachment", attachment_view(made, true)}});
}

template <bool kDetail>
Reply list_attachments(Services& s, CallPtr call) {
  model::PageQuery query = parse_page(*call, ListSpec{kFilters, kSortKeys});
  model::Page<Attachment> page = co_await s.attachments.list(query);
  auto view = [&](const Attachment& row) { return attachment_view(row, kDetail); };
  co_return page_reply(*call, "attachments", query, page, view);
}

Reply show_attachment(Services& s, CallPtr call) {
  Attachment attachment = co_await s.attachments.show(call->actor, AttachmentId(call->path.get("id")));
  co_return json_reply(200, json::object{{"attachment", attachment_view(attachment, true)}});
}

Reply update_attachment(Services& s, CallPtr call) {
  Body body(*call->request, "attachment");
  services::AttachmentSpec spec;
  read_connector(body.fields(), spec);
  body.fields().finish();
  Attachment attachment =
      co_await s.attachments.connect(call->actor, AttachmentId(call->path.get("id")), std::move(spec));
  co_return json_reply(200, json::object{{"attachment", attachment_view(attachment, true)}});
}

Reply delete_attachment(Services& s, CallPtr call) {
  std::vector<Attachment> left = co_await s.attachments.remove(call->actor, AttachmentId(call->path.get("id")));
  json::array items;
  for (const Attachment& row : left) items.push_back(attachment_view(row, false));
  co_return json_reply(200, json::object{{"attachments", std::move(items)}});
}

Reply complete(Services& s, CallPtr call, Arguments) {
  co_await s.attachments.complete(call->actor, AttachmentId(call->path.get("id")));
  co_return empty_reply(204);
}

constexpr ActionRow<Services> kActions[] = {{"os-complete", "evs:volumes:attach evs:volumes:get", complete}};

constexpr Row<Services> kRows[] = {
    {Verb::post, "/attachments", "evs:volumes:attach evs:volumes:get", create_attachment, kSince},
    {Verb::get, "/attachments", "evs:volumes:get", list_attachments<false>, kSince},
    {Verb::get, "/attachments/detail", "evs:volumes:get", list_attachments<true>, kSince},
    {Verb::get, "/attachments/{id}", "evs:volumes:get", show_attachment, kSince},
    {Verb::put, "/attachments/{id}", "evs:volumes:attach evs:volumes:get", update_attachment, kSince},
    {Verb::delete_, "/attachments/{id}", "evs:volumes:detach evs:volumes:get", delete_attachment, kSince},
    action_row<kActions, Services>("/attachments/{id}/action", kCompletion),
};

}  // namespace

std::span<const FilterSpec> attachment_filters() {
  return kFilters;
}

Rows attachments_rows() {
  return kRows;
}

}  // namespace varve::api::cinder
