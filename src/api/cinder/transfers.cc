// Volume transfers, at their first path and at the one that 3.55 brought. The same for EVS.

#include <boost/json.hpp>

#include "api/cinder/cinder_api.h"
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

bool is_new_path(const Call& call) {
  return call.request->path.find("/volume-transfers") != std::string::npos;
}

json::object transfer_view(const Call& call, const Transfer& transfer, bool detail) {
  std::string version = call.request->path.starts_with("/v2/") ? "/v2/" : "/v3/";
  std::string kind = is_new_path(call) ? "/volume-transfers/" : "/os-volume-transfer/";
  std::string rest = call.actor.project_id.str() + kind + transfer.id.str();
  json::object out{{"id", transfer.id.str()}, {"volume_id", transfer.volume_id.str()}};
  out["name"] = text_or_null(transfer.name);
  out["links"] = json::array{json::object{{"rel", "self"}, {"href", call.base_url + version + rest}},
                             json::object{{"rel", "bookmark"}, {"href", call.base_url + "/" + rest}}};
  if (!detail) return out;
  out["created_at"] = format_time(transfer.created_at);
  if (is_new_path(call)) out["no_snapshots"] = transfer.no_snapshots;
  if (is_new_path(call) && call.version.at_least(57)) {
    out["source_project_id"] = transfer.project_id.str();
    out["destination_project_id"] = nullptr;
    out["accepted"] = false;
  }
  return out;
}

}  // namespace

void CinderApi::register_transfers(Dispatcher& d) {
  constexpr int kNewPath = 55;
  auto both = [&](Verb method, const std::string& path, Method handler) {
    route(d, method, "/os-volume-transfer" + path, handler);
    route_since(d, kNewPath, method, "/volume-transfers" + path, handler);
  };
  both(Verb::post, "", &CinderApi::create_transfer);
  both(Verb::get, "", &CinderApi::list_transfers);
  both(Verb::get, "/detail", &CinderApi::list_transfers_detail);
  both(Verb::get, "/{id}", &CinderApi::show_transfer);
  both(Verb::delete_, "/{id}", &CinderApi::delete_transfer);
  both(Verb::post, "/{id}/accept", &CinderApi::accept_transfer);
}

CinderApi::Reply CinderApi::create_transfer(CallPtr call) {
  Body body(*call->request, "transfer");
  Fields& fields = body.fields();
  VolumeId volume(fields.required_uuid("volume_id"));
  std::optional<std::string> name = fields.text("name");
  bool no_snapshots = is_new_path(*call) && fields.boolean("no_snapshots").value_or(false);
  fields.finish();
  services::NewTransfer made = co_await s_.transfers.create(call->actor, volume, name, no_snapshots);
  json::object view = transfer_view(*call, made.transfer, true);
  view["auth_key"] = made.auth_key;
  co_return json_reply(202, json::object{{"transfer", std::move(view)}});
}

CinderApi::Reply CinderApi::list_transfers(CallPtr call) {
  return transfer_page(std::move(call), false);
}
CinderApi::Reply CinderApi::list_transfers_detail(CallPtr call) {
  return transfer_page(std::move(call), true);
}

CinderApi::Reply CinderApi::transfer_page(CallPtr call, bool detail) {
  model::PageQuery query = parse_page(*call, ListSpec{kFilters, kSortKeys});
  model::Page<Transfer> page = co_await s_.transfers.list(query);
  auto view = [&](const Transfer& row) { return transfer_view(*call, row, detail); };
  co_return page_reply(*call, "transfers", query, page, view);
}

CinderApi::Reply CinderApi::show_transfer(CallPtr call) {
  Transfer transfer = co_await s_.transfers.show(call->actor, TransferId(call->path.get("id")));
  co_return json_reply(200, json::object{{"transfer", transfer_view(*call, transfer, true)}});
}

CinderApi::Reply CinderApi::delete_transfer(CallPtr call) {
  co_await s_.transfers.remove(call->actor, TransferId(call->path.get("id")));
  co_return empty_reply(202);
}

CinderApi::Reply CinderApi::accept_transfer(CallPtr call) {
  Body body(*call->request, "accept");
  std::string key = body.fields().required_text("auth_key");
  body.fields().finish();
  Transfer taken = co_await s_.transfers.accept(call->actor, TransferId(call->path.get("id")), key);
  json::object view = transfer_view(*call, taken, false);
  co_return json_reply(202, json::object{{"transfer", std::move(view)}});
}

}  // namespace varve::api::cinder
