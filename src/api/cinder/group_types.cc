// Group types and their specs (3.11).

#include "api/cinder/type_calls.h"
#include "api/common/paging.h"

namespace varve::api::cinder {

using http::Verb;
using model::GroupType;

namespace {

constexpr int kSince = 11;
constexpr FilterSpec kFilters[] = {{"is_public", "is_public", FilterSpec::Kind::Boolean}, {"name", "name"}};
constexpr SortSpec kSortKeys[] = {
    {"id", "id"}, {"name", "name"}, {"created_at", "created_at"}, {"updated_at", "updated_at"}};

struct GroupTypeCalls {
  static constexpr services::GroupTypes Services::* kCalls = &Services::group_types;
  static constexpr std::string_view kEnvelope = "group_type";
  static constexpr std::string_view kIsPublic = "is_public";
  static constexpr std::string_view kSpecs = "group_specs";
  static constexpr std::string_view kTitle = "Group Type";
  static constexpr std::string_view kSpecsWord = "specs";
  static constexpr std::string_view kNoChange = "Specify group type name, description or a combination thereof";
  static constexpr unsigned kCreated = 202;

  static model::Metadata specs(const Call&, const GroupType& type) { return type.specs; }
  static json::object view(const Call& call, const GroupType& type, TypeFields = TypeFields::Shown) {
    json::object out{{"id", type.id.str()},
                     {"name", type.name},
                     {"description", text_or_null(type.description)},
                     {"is_public", type.is_public}};
    if (call.actor.admin) out["group_specs"] = metadata_view(type.specs);
    return out;
  }
};

Reply list_group_types(Services& s, CallPtr call) {
  // Others see the public ones; administrators too, unless they ask.
  std::string asked = call->parameter("is_public");
  std::erase_if(call->query, [](const auto& parameter) { return parameter.first == "is_public"; });
  bool all = call->actor.admin && (asked == "None" || asked == "none");
  if (!all) call->query.emplace_back("is_public", call->actor.admin && !asked.empty() ? asked : "true");
  model::PageQuery query = parse_page(*call, ListSpec{kFilters, kSortKeys});
  query.project_id.reset();
  model::Page<GroupType> page = co_await s.group_types.list(query);
  auto view = [&](const GroupType& row) { return GroupTypeCalls::view(*call, row); };
  co_return page_reply(*call, "group_types", query, page, view);
}

Reply show_group_type(Services& s, CallPtr call) {
  std::string id = call->path.get("id");
  GroupType type =
      id == "default" ? co_await s.group_types.default_type() : co_await s.group_types.show(call->actor, id);
  co_return type_reply<GroupTypeCalls>(200, *call, type, TypeFields::Shown);
}

Reply show_group_specs(Services& s, CallPtr call) {
  GroupType type = co_await s.group_types.show(call->actor, call->path.get("id"));
  co_return json_reply(200, json::object{{"group_specs", metadata_view(type.specs)}});
}

constexpr Row<Services> kRows[] = {
    {Verb::get, "/group_types", "member", list_group_types, kSince},
    {Verb::post, "/group_types", "admin", create_type<GroupTypeCalls>, kSince},
    {Verb::get, "/group_types/{id}", "member", show_group_type, kSince},
    {Verb::put, "/group_types/{id}", "admin", update_type<GroupTypeCalls>, kSince},
    {Verb::delete_, "/group_types/{id}", "admin", delete_type<GroupTypeCalls>, kSince},
    {Verb::get, "/group_types/{id}/group_specs", "admin", show_group_specs, kSince},
    {Verb::post, "/group_types/{id}/group_specs", "admin", create_specs<GroupTypeCalls>, kSince},
    {Verb::get, "/group_types/{id}/group_specs/{key}", "admin", show_spec<GroupTypeCalls>, kSince},
    {Verb::put, "/group_types/{id}/group_specs/{key}", "admin", update_spec<GroupTypeCalls>, kSince},
    {Verb::delete_, "/group_types/{id}/group_specs/{key}", "admin", delete_spec<GroupTypeCalls>, kSince},
};

}  // namespace

Rows group_types_rows() {
  return kRows;
}

}  // namespace varve::api::cinder
