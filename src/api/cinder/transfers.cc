// Volume transfers, at their first path and at the one that 3.55 brought. The same for EVS.

#include <boost/json.hpp>

#include "api/cinder/rows.h"
#include "api/common/body.h"
#include "api/common/paging.h"
#include "api/common/replies.h"

namespace varve::api::cinder {

using http::Verb;
using model::Transfer;

namespace {

constexpr FilterSpec kFilters[] = {{"name", "name"}, {"volume_id", "volume_id"}, {"id", "id"}};
constexpr SortSpec kSortKeys[] = {
    {"id", "id"}, {"name", "name"}, {"volume_id", "volume_id"}, {"created_at", "created_at"}};

// The extension, and what came in its place with a microversion.
enum class Path : std::uint8_t { Old, New };

json::object transfer_view(const Call& call, Path path, const Transfer& transfer, bool detail) {
  std::string version = call.request->path.starts_with("/v2/") ? "/v2/" : "/v3/";
  std::string kind = path == Path::New ? "/volume-transfers/" : "/os-volume-transfer/";
  std::string rest = call.actor.project_id.str() + kind + transfer.id.str();
  json::object out{{"id", transfer.id.str()}, {"volume_id", transfer.volume_id.str()}};
  out["name"] = text_or_null(transfer.name);
  out["links"] = json::array{json::object{{"rel", "self"}, {"href", call.base_url + version + rest}},
                             json::object{{"rel", "bookmark"}, {"href", call.base_url + "/" + rest}}};
  if (!detail) return out;
  out["created_at"] = format_time(transfer.created_at);
  if (path == Path::New) out["no_snapshots"] = transfer.no_snapshots;
  if (path == Path::New && call.version.at_least(57)) {
    out["source_project_id"] = transfer.project_id.str();
    out["destination_project_id"] = nullptr;
    out["accepted"] = false;
  }
  return out;
}

template <Path kPath>
Reply create_transfer(Services& s, CallPtr call) {
  Body body(*call->request, "transfer");
  Fields& fields = body.fields();
  VolumeId volume(fields.required_uuid("volume_id"));
  std::optional<std::string> name = fields.text("name");
  bool no_snapshots = kPath == Path::New && fields.boolean("no_snapshots").value_or(false);
  fields.finish();
  services::NewTransfer made = co_await s.transfers.create(call->actor, volume, name, no_snapshots);
  json::object view = transfer_view(*call, kPath, made.transfer, true);
  view["auth_key"] = made.auth_key;
  co_return json_reply(202, json::object{{"transfer", std::move(view)}});
}

template <Path kPath, bool kDetail>
Reply list_transfers(Services& s, CallPtr call) {
  model::PageQuery query = parse_page(*call, ListSpec{kFilters, kSortKeys});
  model::Page<Transfer> page = co_await s.transfers.list(query);
  auto view = [&](const Transfer& row) { return transfer_view(*call, kPath, row, kDetail); };
  co_return page_reply(*call, "transfers", query, page, view);
}

template <Path kPath>
Reply show_transfer(Services& s, CallPtr call) {
  Transfer transfer = co_await s.transfers.show(call->actor, TransferId(call->path.get("id")));
  co_return json_reply(200, json::object{{"transfer", transfer_view(*call, kPath, transfer, true)}});
}

Reply delete_transfer(Services& s, CallPtr call) {
  co_await s.transfers.remove(call->actor, TransferId(call->path.get("id")));
  co_return empty_reply(202);
}

template <Path kPath>
Reply accept_transfer(Services& s, CallPtr call) {
  Body body(*call->request, "accept");
  std::string key = body.fields().required_text("auth_key");
  body.fields().finish();
  Transfer taken = co_await s.transfers.accept(call->actor, TransferId(call->path.get("id")), key);
  json::object view = transfer_view(*call, kPath, taken, false);
  co_return json_reply(202, json::object{{"transfer", std::move(view)}});
}

constexpr int kNewPath = 55;

constexpr Row<Services> kRows[] = {
    {Verb::post, "/os-volume-transfer", "evs:transfers:create", create_transfer<Path::Old>},
    {Verb::get, "/os-volume-transfer", "evs:transfers:list", list_transfers<Path::Old, false>},
    {Verb::get, "/os-volume-transfer/detail", "evs:transfers:list", list_transfers<Path::Old, true>},
    {Verb::get, "/os-volume-transfer/{id}", "evs:transfers:get", show_transfer<Path::Old>},
    {Verb::delete_, "/os-volume-transfer/{id}", "evs:transfers:delete", delete_transfer},
    {Verb::post, "/os-volume-transfer/{id}/accept", "evs:transfers:accept", accept_transfer<Path::Old>},
    {Verb::post, "/volume-transfers", "evs:transfers:create", create_transfer<Path::New>, kNewPath},
    {Verb::get, "/volume-transfers", "evs:transfers:list", list_transfers<Path::New, false>, kNewPath},
    {Verb::get, "/volume-transfers/detail", "evs:transfers:list", list_transfers<Path::New, true>, kNewPath},
    {Verb::get, "/volume-transfers/{id}", "evs:transfers:get", show_transfer<Path::New>, kNewPath},
    {Verb::delete_, "/volume-transfers/{id}", "evs:transfers:delete", delete_transfer, kNewPath},
    {Verb::post, "/volume-transfers/{id}/accept", "evs:transfers:accept", accept_transfer<Path::New>, kNewPath},
};

}  // namespace

Rows transfers_rows() {
  return kRows;
}

}  // namespace varve::api::cinder
