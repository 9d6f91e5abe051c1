// The calls that volume types and group types share: each has a name, a description, is public or not, and has specs.
// What differs is said by a struct, one of each kind: VolumeTypeCalls in types.cc, GroupTypeCalls in group_types.cc.
#pragma once

#include <boost/json.hpp>

#include "api/cinder/metadata_calls.h"
#include "api/cinder/rows.h"
#include "api/common/body.h"
#include "api/common/replies.h"
#include "api/common/resource_views.h"
#include "services/types_of.h"

namespace varve::api::cinder {

template <class Kind, class Type>
http::Response type_reply(unsigned status, const Call& call, const Type& type, TypeFields fields) {
  return json_reply(status, json::object{{Kind::kEnvelope, Kind::view(call, type, fields)}});
}

template <class Kind>
Reply create_type(Services& s, CallPtr call) {
  Body body(*call->request, Kind::kEnvelope);
  Fields& fields = body.fields();
  services::TypeSpec spec;
  spec.name = fields.required_text("name");
  spec.description = fields.text("description");
  spec.is_public = fields.boolean(Kind::kIsPublic).value_or(true);
  spec.specs = fields.metadata(Kind::kSpecs).value_or(model::Metadata());
  fields.finish();
  auto made = co_await (s.*Kind::kCalls).create(std::move(spec));
  co_return type_reply<Kind>(Kind::kCreated, *call, made, TypeFields::Created);
}

template <class Kind>
Reply update_type(Services& s, CallPtr call) {
  Body body(*call->request, Kind::kEnvelope);
  Fields& fields = body.fields();
  services::TypeChange change;
  change.name = fields.text("name");
  if (change.name && change.name->empty()) Fields::refuse("name", json::value(""), "It must not be empty");
  change.description = fields.nullable_text("description");
  change.is_public = fields.boolean("is_public");
  fields.finish();
  if (!change.name && !change.description && !change.is_public) {
    Fields::refuse(Kind::kEnvelope, json::object(), Kind::kNoChange);
  }
  auto type = co_await (s.*Kind::kCalls).update(call->path.get("id"), std::move(change));
  co_return type_reply<Kind>(200, *call, type, TypeFields::Updated);
}

template <class Kind>
Reply delete_type(Services& s, CallPtr call) {
  co_await (s.*Kind::kCalls).remove(call->path.get("id"));
  co_return empty_reply(202);
}

template <class Kind>
Reply create_specs(Services& s, CallPtr call) {
  model::Metadata specs = metadata_body(*call->request, Kind::kSpecs);
  co_await (s.*Kind::kCalls).merge_specs(call->path.get("id"), specs);
  co_return json_reply(Kind::kCreated, json::object{{Kind::kSpecs, metadata_view(specs)}});
}

template <class Kind>
Reply show_spec(Services& s, CallPtr call) {
  auto type = co_await (s.*Kind::kCalls).show(call->actor, call->path.get("id"));
  std::string none = std::string(Kind::kTitle) + " " + type.id.str() + " has no " + std::string(Kind::kSpecsWord);
  co_return json_reply(200, pair_of(Kind::specs(*call, type), call->path.get("key"), none));
}

template <class Kind>
Reply update_spec(Services& s, CallPtr call) {
  model::Metadata specs = read_one_pair(*call->request, call->path.get("key"));
  co_await (s.*Kind::kCalls).merge_specs(call->path.get("id"), specs);
  co_return json_reply(200, metadata_view(specs));
}

template <class Kind>
Reply delete_spec(Services& s, CallPtr call) {
  co_await (s.*Kind::kCalls).remove_spec(call->path.get("id"), call->path.get("key"));
  co_return empty_reply(202);
}

}  // namespace varve::api::cinder
