// What volume types are associated with: QoS specs, encryption, default types (3.62). For administrators.

#include <boost/json.hpp>

#include "api/cinder/metadata_calls.h"
#include "api/cinder/rows.h"
#include "api/common/body.h"
#include "api/common/paging.h"
#include "api/common/replies.h"

namespace varve::api::cinder {

using http::Verb;
using model::QosSpec;
using model::TypeEncryption;

namespace {

constexpr int kDefaultTypes = 62;
constexpr FilterSpec kSpecFilters[] = {{"name", "name"}, {"id", "id"}, {"consumer", "consumer"}};
constexpr SortSpec kSpecSorts[] = {{"id", "id"},
                                   {"name", "name"},
                                   {"consumer", "consumer"},
                                   {"created_at", "created_at"},
                                   {"updated_at", "updated_at"}};

json::object spec_view(const QosSpec& spec) {
  return {
      {"id", spec.id.str()}, {"name", spec.name}, {"consumer", spec.consumer}, {"specs", metadata_view(spec.specs)}};
}

std::string checked_consumer(const std::string& consumer) {
  if (consumer == "front-end" || consumer == "back-end" || consumer == "both") return consumer;
  Fields::refuse("consumer", json::value(consumer), "'front-end', 'back-end' or 'both' is wanted");
}

json::value qos_specs_body(const http::Request& request) {
  json::object body = parse_body(request);
  const json::value* specs = body.if_contains("qos_specs");
  if (specs == nullptr) throw Error(ErrorCode::InvalidInput, "'qos_specs' is a required property");
  return *specs;
}

// Values may be numbers: they are kept as texts.
model::Metadata spec_pairs(const json::value& value) {
  if (!value.is_object()) Fields::refuse("qos_specs", value, "It is not of type 'object'");
  json::object texts;
  for (const auto& [key, one] : value.get_object()) {
    texts[key] = one.is_int64() ? json::value(std::to_string(one.get_int64())) : one;
  }
  json::value wrapped = json::object{{"qos_specs", std::move(texts)}};
  return Fields(wrapped, "body").metadata("qos_specs").value();
}

std::optional<std::string> take(model::Metadata& pairs, const char* key) {
  auto found = pairs.find(key);
  if (found == pairs.end()) return std::nullopt;
  std::string value = found->second;
  pairs.erase(found);
  return value;
}

json::object encryption_view(const TypeEncryption& encryption, bool full) {
  json::object out{{"volume_type_id", encryption.volume_type_id.str()},
                   {"encryption_id", encryption.id.str()},
                   {"provider", encryption.provider},
                   {"control_location", encryption.control_location},
                   {"cipher", text_or_null(encryption.cipher)}};
  out["key_size"] = encryption.key_size ? json::value(*encryption.key_size) : json::value(nullptr);
  if (full) {
    out["created_at"] = format_time(encryption.created_at);
    out["updated_at"] = time_or_null(encryption.updated_at);
    out["deleted"] = false;
    out["deleted_at"] = nullptr;
  }
  return out;
}

services::EncryptionChange read_encryption(Fields& fields) {
  services::EncryptionChange change;
  change.provider = fields.text("provider");
  change.control_location = fields.text("control_location");
  change.cipher = fields.nullable_text("cipher");
  if (std::optional<std::int64_t> size = fields.integer("key_size", 0, 2147483647)) change.key_size = size;
  fields.finish();
  if (change.provider && change.provider->empty()) Fields::refuse("provider", json::value(""), "It must not be empty");
  if (change.control_location && *change.control_location != "front-end" && *change.control_location != "back-end") {
    Fields::refuse("control_location", json::value(*change.control_location), "'front-end' or 'back-end' is wanted");
  }
  return change;
}

std::string asked_type(const Call& call) {
  std::string type = call.parameter("vol_type_id");
  if (type.empty()) throw Error(ErrorCode::InvalidInput, "Volume Type id must not be None.");
  return type;
}

json::object default_view(const ProjectId& project, const VolumeTypeId& type) {
  return {{"project_id", project.str()}, {"volume_type_id", type.str()}};
}

Reply list_qos_specs(Services& s, CallPtr call) {
  model::PageQuery query = parse_page(*call, ListSpec{kSpecFilters, kSpecSorts});
  query.project_id.reset();
  model::Page<QosSpec> page = co_await s.type_extras.list_specs(query);
  auto view = [&](const QosSpec& row) { return spec_view(row); };
  co_return page_reply(*call, "qos_specs", query, page, view);
}

Reply create_qos_spec(Services& s, CallPtr call) {
  json::value body = qos_specs_body(*call->request);
  QosSpec spec;
  spec.specs = spec_pairs(body);
  std::optional<std::string> name = take(spec.specs, "name");
  if (!name || name->empty()) Fields::refuse("qos_specs", body, "'name' is a required property");
  spec.name = *name;
  spec.consumer = checked_consumer(take(spec.specs, "consumer").value_or("back-end"));
  QosSpec made = co_await s.type_extras.create_spec(std::move(spec));
  json::object links{{"rel", "self"}, {"href", call->base_url + call->request->path + "/" + made.id.str()}};
  co_return json_reply(200, json::object{{"qos_specs", spec_view(made)}, {"links", json::array{std::move(links)}}});
}

Reply show_qos_spec(Services& s, CallPtr call) {
  QosSpec spec = co_await s.type_extras.show_spec(call->path.get("id"));
  json::object links{{"rel", "self"}, {"href", call->base_url + call->request->path}};
  co_return json_reply(200, json::object{{"qos_specs", spec_view(spec)}, {"links", json::array{std::move(links)}}});
}

Reply update_qos_spec(Services& s, CallPtr call) {
  model::Metadata pairs = spec_pairs(qos_specs_body(*call->request));
  json::object shown = metadata_view(pairs);
  std::optional<std::string> consumer = take(pairs, "consumer");
  if (consumer) checked_consumer(*consumer);
  co_await s.type_extras.set_keys(call->path.get("id"), std::move(pairs), consumer);
  co_return json_reply(200, json::object{{"qos_specs", std::move(shown)}});
}

Reply delete_qos_keys(Services& s, CallPtr call) {
  json::object body = parse_body(*call->request);
  const json::value* list = body.if_contains("keys");
  if (list == nullptr || !list->is_array()) throw Error(ErrorCode::InvalidInput, "'keys' must be a list of strings");
  std::vector<std::string> keys;
  for (const json::value& key : list->get_array()) {
    if (!key.is_string()) throw Error(ErrorCode::InvalidInput, "'keys' must be a list of strings");
    keys.emplace_back(key.get_string());
  }
  co_await s.type_extras.remove_keys(call->path.get("id"), std::move(keys));
  co_return empty_reply(202);
}

Reply delete_qos_spec(Services& s, CallPtr call) {
  std::string force = call->parameter("force");
  co_await s.type_extras.remove_spec(call->path.get("id"), !force.empty() && parse_boolean("force", force));
  co_return empty_reply(202);
}

Reply qos_associations(Services& s, CallPtr call) {
  json::array items;
  for (const model::VolumeType& type : co_await s.type_extras.associations(call->path.get("id"))) {
    items.push_back(json::object{{"association_type", "volume_type"}, {"name", type.name}, {"id", type.id.str()}});
  }
  co_return json_reply(200, json::object{{"qos_associations", std::move(items)}});
}

Reply associate_qos(Services& s, CallPtr call) {
  co_await s.type_extras.associate(call->path.get("id"), asked_type(*call));
  co_return empty_reply(202);
}

Reply disassociate_qos(Services& s, CallPtr call) {
  co_await s.type_extras.disassociate(call->path.get("id"), asked_type(*call));
  co_return empty_reply(202);
}

Reply disassociate_qos_from_all(Services& s, CallPtr call) {
  co_await s.type_extras.disassociate(call->path.get("id"), std::nullopt);
  co_return empty_reply(202);
}

Reply show_encryption(Services& s, CallPtr call) {
  std::optional<TypeEncryption> encryption = co_await s.type_extras.encryption(call->path.get("id"));
  co_return json_reply(200, encryption ? encryption_view(*encryption, true) : json::object());
}

Reply create_encryption(Services& s, CallPtr call) {
  Body body(*call->request, "encryption");
  services::EncryptionChange wanted = read_encryption(body.fields());
  if (!wanted.provider) Fields::refuse("encryption", body.root(), "'provider' is a required property");
  if (!wanted.control_location) Fields::refuse("encryption", body.root(), "'control_location' is a required property");
  TypeEncryption encryption;
  encryption.volume_type_id = VolumeTypeId(call->path.get("id"));
  encryption.provider = *wanted.provider;
  encryption.control_location = *wanted.control_location;
  encryption.cipher = wanted.cipher.value_or(std::nullopt);
  encryption.key_size = wanted.key_size.value_or(std::nullopt);
  TypeEncryption made = co_await s.type_extras.create_encryption(std::move(encryption));
  co_return json_reply(200, json::object{{"encryption", encryption_view(made, false)}});
}

Reply encryption_item(Services& s, CallPtr call) {
  std::string key = call->path.get("key");
  std::optional<TypeEncryption> encryption = co_await s.type_extras.encryption(call->path.get("id"));
  json::object all = encryption ? encryption_view(*encryption, true) : json::object();
  const json::value* value = all.if_contains(key);
  if (value == nullptr) {
    throw Error(ErrorCode::NotFound,
                "Volume type " + call->path.get("id") + " has no encryption with key " + key.substr(0, 100) + ".");
  }
  json::object out;
  out[key] = *value;
  co_return json_reply(200, out);
}

Reply update_encryption(Services& s, CallPtr call) {
  Body body(*call->request, "encryption");
  json::object shown = body.root().at("encryption").as_object();
  co_await s.type_extras.update_encryption(call->path.get("id"), read_encryption(body.fields()));
  co_return json_reply(200, json::object{{"encryption", std::move(shown)}});
}

Reply delete_encryption(Services& s, CallPtr call) {
  co_await s.type_extras.remove_encryption(call->path.get("id"));
  co_return empty_reply(202);
}

Reply list_default_types(Services& s, CallPtr) {
  json::array items;
  for (const services::DefaultType& one : co_await s.type_extras.defaults())
    items.push_back(default_view(one.project, one.type));
  co_return json_reply(200, json::object{{"default_types", std::move(items)}});
}

Reply show_default_type(Services& s, CallPtr call) {
  ProjectId project(call->path.get("target"));
  std::optional<VolumeTypeId> type = co_await s.type_extras.default_of(project);
  if (!type) throw Error(ErrorCode::NotFound, "Default type for project " + project.str() + " not found.");
  co_return json_reply(200, json::object{{"default_type", default_view(project, *type)}});
}

Reply set_default_type(Services& s, CallPtr call) {
  Body body(*call->request, "default_type");
  std::string wanted = body.fields().required_text("volume_type");
  body.fields().finish();
  ProjectId project(call->path.get("target"));
  VolumeTypeId type = co_await s.type_extras.set_default(project, wanted);
  co_return json_reply(200, json::object{{"default_type", default_view(project, type)}});
}

Reply clear_default_type(Services& s, CallPtr call) {
  co_await s.type_extras.clear_default(ProjectId(call->path.get("target")));
  co_return empty_reply(204);
}

constexpr Row<Services> kRows[] = {
    {Verb::get, "/qos-specs", "admin", list_qos_specs},
    {Verb::post, "/qos-specs", "admin", create_qos_spec},
    {Verb::get, "/qos-specs/{id}", "admin", show_qos_spec},
    {Verb::put, "/qos-specs/{id}", "admin", update_qos_spec},
    {Verb::delete_, "/qos-specs/{id}", "admin", delete_qos_spec},
    {Verb::put, "/qos-specs/{id}/delete_keys", "admin", delete_qos_keys},
    {Verb::get, "/qos-specs/{id}/associations", "admin", qos_associations},
    {Verb::get, "/qos-specs/{id}/associate", "admin", associate_qos},
    {Verb::get, "/qos-specs/{id}/disassociate", "admin", disassociate_qos},
    {Verb::get, "/qos-specs/{id}/disassociate_all", "admin", disassociate_qos_from_all},
    {Verb::get, "/types/{id}/encryption", "admin", show_encryption},
    {Verb::post, "/types/{id}/encryption", "admin", create_encryption},
    {Verb::get, "/types/{id}/encryption/{key}", "admin", encryption_item},
    {Verb::put, "/types/{id}/encryption/{key}", "admin", update_encryption},
    {Verb::delete_, "/types/{id}/encryption/{key}", "admin", delete_encryption},
};

// Of projects, by an administrator of any: the token's own does not matter.
constexpr Row<Services> kDefaultTypeRows[] = {
    {Verb::get, "/v3/default-types", "admin", list_default_types, kDefaultTypes},
    {Verb::get, "/v3/default-types/", "admin", list_default_types, kDefaultTypes},
    {Verb::get, "/v3/default-types/{target}", "admin", show_default_type, kDefaultTypes},
    {Verb::put, "/v3/default-types/{target}", "admin", set_default_type, kDefaultTypes},
    {Verb::delete_, "/v3/default-types/{target}", "admin", clear_default_type, kDefaultTypes},
};

}  // namespace

Rows default_types_rows() {
  return kDefaultTypeRows;
}

Rows type_extras_rows() {
  return kRows;
}

}  // namespace varve::api::cinder
