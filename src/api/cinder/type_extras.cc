// What volume types are associated with: QoS specs, encryption, default types (3.62). For administrators.

#include <boost/json.hpp>

#include "api/cinder/cinder_api.h"
#include "api/cinder/metadata_calls.h"
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

json::object default_view(const ProjectId& project, const VolumeTypeId& type) {
  return {{"project_id", project.str()}, {"volume_type_id", type.str()}};
}

}  // namespace

void CinderApi::register_type_extras(Dispatcher& d) {
  route(d, Verb::get, "/qos-specs", &CinderApi::list_qos_specs);
  route(d, Verb::post, "/qos-specs", &CinderApi::create_qos_spec);
  route(d, Verb::get, "/qos-specs/{id}", &CinderApi::show_qos_spec);
  route(d, Verb::put, "/qos-specs/{id}", &CinderApi::update_qos_spec);
  route(d, Verb::delete_, "/qos-specs/{id}", &CinderApi::delete_qos_spec);
  route(d, Verb::put, "/qos-specs/{id}/delete_keys", &CinderApi::delete_qos_keys);
  route(d, Verb::get, "/qos-specs/{id}/associations", &CinderApi::qos_associations);
  route(d, Verb::get, "/qos-specs/{id}/associate", &CinderApi::associate_qos);
  route(d, Verb::get, "/qos-specs/{id}/disassociate", &CinderApi::disassociate_qos);
  route(d, Verb::get, "/qos-specs/{id}/disassociate_all", &CinderApi::disassociate_qos);
  route(d, Verb::get, "/types/{id}/encryption", &CinderApi::show_encryption);
  route(d, Verb::post, "/types/{id}/encryption", &CinderApi::create_encryption);
  route(d, Verb::get, "/types/{id}/encryption/{key}", &CinderApi::encryption_item);
  route(d, Verb::put, "/types/{id}/encryption/{key}", &CinderApi::update_encryption);
  route(d, Verb::delete_, "/types/{id}/encryption/{key}", &CinderApi::delete_encryption);
  auto add = [&](Verb method, const char* path, Method handler) {
    Handler call_it = [this, handler](CallPtr call) {
      call->require_version(kDefaultTypes);
      call->require_admin();
      return (this->*handler)(std::move(call));
    };
    d.add(method, path, Access::Token, call_it);
  };
  add(Verb::get, "/v3/default-types", &CinderApi::list_default_types);
  add(Verb::get, "/v3/default-types/", &CinderApi::list_default_types);
  add(Verb::get, "/v3/default-types/{target}", &CinderApi::show_default_type);
  add(Verb::put, "/v3/default-types/{target}", &CinderApi::set_default_type);
  add(Verb::delete_, "/v3/default-types/{target}", &CinderApi::clear_default_type);
}

CinderApi::Reply CinderApi::list_qos_specs(CallPtr call) {
  call->require_admin();
  model::PageQuery query = parse_page(*call, ListSpec{kSpecFilters, kSpecSorts});
  query.project_id.reset();
  model::Page<QosSpec> page = co_await s_.type_extras.list_specs(query);
  auto view = [&](const QosSpec& row) { return spec_view(row); };
  co_return page_reply(*call, "qos_specs", query, page, view);
}

CinderApi::Reply CinderApi::create_qos_spec(CallPtr call) {
  call->require_admin();
  json::object body = parse_body(*call->request);
  const json::value* specs = body.if_contains("qos_specs");
  if (specs == nullptr) throw Error(ErrorCode::InvalidInput, "'qos_specs' is a required property");
  QosSpec spec;
  spec.specs = spec_pairs(*specs);
  std::optional<std::string> name = take(spec.specs, "name");
  if (!name || name->empty()) Fields::refuse("qos_specs", *specs, "'name' is a required property");
  spec.name = *name;
  spec.consumer = checked_consumer(take(spec.specs, "consumer").value_or("back-end"));
  QosSpec made = co_await s_.type_extras.create_spec(std::move(spec));
  json::object links{{"rel", "self"}, {"href", call->base_url + call->request->path + "/" + made.id.str()}};
  co_return json_reply(200, json::object{{"qos_specs", spec_view(made)}, {"links", json::array{std::move(links)}}});
}

CinderApi::Reply CinderApi::show_qos_spec(CallPtr call) {
  call->require_admin();
  QosSpec spec = co_await s_.type_extras.show_spec(call->path.get("id"));
  json::object links{{"rel", "self"}, {"href", call->base_url + call->request->path}};
  co_return json_reply(200, json::object{{"qos_specs", spec_view(spec)}, {"links", json::array{std::move(links)}}});
}

CinderApi::Reply CinderApi::update_qos_spec(CallPtr call) {
  call->require_admin();
  json::object body = parse_body(*call->request);
  const json::value* specs = body.if_contains("qos_specs");
  if (specs == nullptr) throw Error(ErrorCode::InvalidInput, "'qos_specs' is a required property");
  model::Metadata pairs = spec_pairs(*specs);
  json::object shown = metadata_view(pairs);
  std::optional<std::string> consumer = take(pairs, "consumer");
  if (consumer) checked_consumer(*consumer);
  co_await s_.type_extras.set_keys(call->path.get("id"), std::move(pairs), consumer);
  co_return json_reply(200, json::object{{"qos_specs", std::move(shown)}});
}

CinderApi::Reply CinderApi::delete_qos_keys(CallPtr call) {
  call->require_admin();
  json::object body = parse_body(*call->request);
  const json::value* list = body.if_contains("keys");
  if (list == nullptr || !list->is_array()) throw Error(ErrorCode::InvalidInput, "'keys' must be a list of strings");
  std::vector<std::string> keys;
  for (const json::value& key : list->get_array()) {
    if (!key.is_string()) throw Error(ErrorCode::InvalidInput, "'keys' must be a list of strings");
    keys.emplace_back(key.get_string());
  }
  co_await s_.type_extras.remove_keys(call->path.get("id"), std::move(keys));
  co_return empty_reply(202);
}

CinderApi::Reply CinderApi::delete_qos_spec(CallPtr call) {
  call->require_admin();
  std::string force = call->parameter("force");
  co_await s_.type_extras.remove_spec(call->path.get("id"), !force.empty() && parse_boolean("force", force));
  co_return empty_reply(202);
}

CinderApi::Reply CinderApi::qos_associations(CallPtr call) {
  call->require_admin();
  json::array items;
  for (const model::VolumeType& type : co_await s_.type_extras.associations(call->path.get("id"))) {
    items.push_back(json::object{{"association_type", "volume_type"}, {"name", type.name}, {"id", type.id.str()}});
  }
  co_return json_reply(200, json::object{{"qos_associations", std::move(items)}});
}

CinderApi::Reply CinderApi::associate_qos(CallPtr call) {
  call->require_admin();
  std::string type = call->parameter("vol_type_id");
  if (type.empty()) throw Error(ErrorCode::InvalidInput, "Volume Type id must not be None.");
  co_await s_.type_extras.associate(call->path.get("id"), type);
  co_return empty_reply(202);
}

CinderApi::Reply CinderApi::disassociate_qos(CallPtr call) {
  call->require_admin();
  std::optional<std::string> type;
  if (!call->request->path.ends_with("_all")) {
    type = call->parameter("vol_type_id");
    if (type->empty()) throw Error(ErrorCode::InvalidInput, "Volume Type id must not be None.");
  }
  co_await s_.type_extras.disassociate(call->path.get("id"), type);
  co_return empty_reply(202);
}

CinderApi::Reply CinderApi::show_encryption(CallPtr call) {
  call->require_admin();
  std::optional<TypeEncryption> encryption = co_await s_.type_extras.encryption(call->path.get("id"));
  co_return json_reply(200, encryption ? encryption_view(*encryption, true) : json::object());
}

CinderApi::Reply CinderApi::create_encryption(CallPtr call) {
  call->require_admin();
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
  TypeEncryption made = co_await s_.type_extras.create_encryption(std::move(encryption));
  co_return json_reply(200, json::object{{"encryption", encryption_view(made, false)}});
}

CinderApi::Reply CinderApi::encryption_item(CallPtr call) {
  call->require_admin();
  std::string key = call->path.get("key");
  std::optional<TypeEncryption> encryption = co_await s_.type_extras.encryption(call->path.get("id"));
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

CinderApi::Reply CinderApi::update_encryption(CallPtr call) {
  call->require_admin();
  Body body(*call->request, "encryption");
  json::object shown = body.root().at("encryption").as_object();
  co_await s_.type_extras.update_encryption(call->path.get("id"), read_encryption(body.fields()));
  co_return json_reply(200, json::object{{"encryption", std::move(shown)}});
}

CinderApi::Reply CinderApi::delete_encryption(CallPtr call) {
  call->require_admin();
  co_await s_.type_extras.remove_encryption(call->path.get("id"));
  co_return empty_reply(202);
}

CinderApi::Reply CinderApi::list_default_types(CallPtr) {
  json::array items;
  for (const services::DefaultType& one : co_await s_.type_extras.defaults())
    items.push_back(default_view(one.project, one.type));
  co_return json_reply(200, json::object{{"default_types", std::move(items)}});
}

CinderApi::Reply CinderApi::show_default_type(CallPtr call) {
  ProjectId project(call->path.get("target"));
  std::optional<VolumeTypeId> type = co_await s_.type_extras.default_of(project);
  if (!type) throw Error(ErrorCode::NotFound, "Default type for project " + project.str() + " not found.");
  co_return json_reply(200, json::object{{"default_type", default_view(project, *type)}});
}

CinderApi::Reply CinderApi::set_default_type(CallPtr call) {
  Body body(*call->request, "default_type");
  std::string wanted = body.fields().required_text("volume_type");
  body.fields().finish();
  ProjectId project(call->path.get("target"));
  VolumeTypeId type = co_await s_.type_extras.set_default(project, wanted);
  co_return json_reply(200, json::object{{"default_type", default_view(project, type)}});
}

CinderApi::Reply CinderApi::clear_default_type(CallPtr call) {
  co_await s_.type_extras.clear_default(ProjectId(call->path.get("target")));
  co_return empty_reply(204);
}

}  // namespace varve::api::cinder
