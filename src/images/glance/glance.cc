#include "images/glance/glance.h"

#include <boost/json.hpp>
#include <fstream>

#include "base/digest.h"
#include "base/error.h"
#include "base/text.h"
#include "model/reason.h"

namespace varve::images {

namespace json = boost::json;

namespace {

// Attributes that the service gives every image; what else is there its owner has added.
constexpr std::string_view kCore[] = {"id",
                                      "name",
                                      "status",
                                      "disk_format",
                                      "container_format",
                                      "checksum",
                                      "os_hash_algo",
                                      "os_hash_value",
                                      "size",
                                      "virtual_size",
                                      "min_disk",
                                      "min_ram",
                                      "visibility",
                                      "protected",
                                      "owner",
                                      "tags",
                                      "created_at",
                                      "updated_at",
                                      "file",
                                      "self",
                                      "schema",
                                      "os_hidden",
                                      "locations",
                                      "direct_url",
                                      "stores",
                                      "members",
                                      "owner_specified.openstack.md5"};

bool is_core(std::string_view key) {
  for (std::string_view core : kCore) {
    if (core == key) return true;
  }
  return key.starts_with("os_glance");
}

std::string text(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

std::int64_t number(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_number() ? value->to_number<std::int64_t>() : 0;
}

// Compute's block_device_mapping: a list, as JSON in a text.
std::optional<std::string> boot_snapshot(const std::string& mapping) {
  boost::system::error_code fault;
  json::value parsed = json::parse(mapping, fault);
  if (fault || !parsed.is_array()) return std::nullopt;
  for (const json::value& one : parsed.get_array()) {
    if (!one.is_object() || text(one.get_object(), "source_type") != "snapshot") continue;
    const json::value* index = one.get_object().if_contains("boot_index");
    std::string id = text(one.get_object(), "snapshot_id");
    if (index != nullptr && index->is_number() && number(one.get_object(), "boot_index") == 0 && !id.empty()) return id;
  }
  return std::nullopt;
}

Image image_of(const std::string& body) {
  boost::system::error_code fault;
  json::value parsed = json::parse(body, fault);
  if (fault || !parsed.is_object())
    throw Error(ErrorCode::Unavailable, "the image service answers with something else");
  const json::object& object = parsed.as_object();
  Image image;
  image.id = text(object, "id");
  image.name = text(object, "name");
  image.status = text(object, "status");
  image.disk_format = text(object, "disk_format");
  image.container_format = text(object, "container_format");
  image.checksum = text(object, "checksum");
  image.hash_algorithm = text(object, "os_hash_algo");
  image.hash = text(object, "os_hash_value");
  image.size = number(object, "size");
  image.virtual_size = number(object, "virtual_size");
  image.min_disk_gib = number(object, "min_disk");
  image.min_ram_mib = number(object, "min_ram");
  for (const auto& [key, value] : object) {
    if (value.is_string() && !is_core(key)) image.properties[std::string(key)] = std::string(value.as_string());
  }
  image.boot_snapshot_id = boot_snapshot(text(object, "block_device_mapping"));
  return image;
}

// What the service says in its (HTML or JSON) refusal, without the tags.
std::string words_of(const std::string& body) {
  std::string out;
  bool in_tag = false;
  for (char c : body.substr(0, 2000)) {
    if (c == '<') in_tag = true;
    if (!in_tag) out += c == '\n' ? ' ' : c;
    if (c == '>') in_tag = false;
  }
  return std::string(trim(out)).substr(0, 300);
}

void require_good(const http::ClientResponse& reply, const std::string& what) {
  if (reply.status >= 200 && reply.status < 300) return;
  std::string said = what + ": the image service answered " + std::to_string(reply.status) + " " + words_of(reply.body);
  if (reply.status == 404) throw Error(ErrorCode::NotFound, said);
  if (reply.status == 401 || reply.status == 403) throw Error(ErrorCode::Forbidden, said);
  if (reply.status == 413) throw Error(ErrorCode::OverQuota, said);
  if (reply.status >= 400 && reply.status < 500) throw Error(ErrorCode::InvalidInput, said);
  throw Error(ErrorCode::Unavailable, said);
}

}  // namespace

http::ClientRequest Glance::request(const model::Actor& actor, const char* method, const std::string& path) const {
  if (config_.endpoint.empty()) throw Error(ErrorCode::Unavailable, "there is no image service");
  http::ClientRequest request;
  request.method = method;
  request.url = config_.endpoint + "/v2/images" + path;
  request.headers = {{"X-Auth-Token", token_(actor)}, {"X-OpenStack-Request-ID", actor.request_id}};
  return request;
}

Image Glance::show(const model::Actor& actor, const std::string& id) {
  if (!is_uuid(id) || config_.endpoint.empty()) {
    throw Error(ErrorCode::NotFound, "Image " + id + " could not be found.", Reason::InvalidImage);
  }
  http::ClientResponse reply = client_.send(request(actor, "GET", "/" + id));
  if (reply.status == 403 || reply.status == 404) {
    throw Error(ErrorCode::NotFound, "Image " + id + " could not be found.", Reason::InvalidImage);
  }
  require_good(reply, "Image " + id);
  return image_of(reply.body);
}

Image Glance::create(const model::Actor& actor, const ImageSpec& spec) {
  json::object body;
  for (const auto& [key, value] : spec.properties) {
    if (!is_core(key)) body[key] = value;
  }
  body["name"] = spec.name;
  body["disk_format"] = spec.disk_format;
  body["container_format"] = spec.container_format;
  if (!spec.visibility.empty()) body["visibility"] = spec.visibility;
  body["protected"] = spec.is_protected;
  http::ClientRequest call = request(actor, "POST", "");
  call.headers.emplace_back("Content-Type", "application/json");
  call.body = json::serialize(body);
  http::ClientResponse reply = client_.send(call);
  require_good(reply, "Image " + spec.name);
  return image_of(reply.body);
}

void Glance::download(const model::Actor& actor, const Image& image, const std::filesystem::path& file,
                      const Cancelled& cancelled) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  Hasher hasher(image.hash_algorithm);
  http::ClientRequest call = request(actor, "GET", "/" + image.id + "/file");
  call.cancelled = cancelled;
  call.sink = [&](std::string_view data) {
    out.write(data.data(), static_cast<std::streamsize>(data.size()));
    if (!out) throw Error(ErrorCode::NoSpace, "the store is full: image " + image.id + " does not fit");
    hasher.add(data);
  };
  require_good(client_.send(call), "Image " + image.id);
  out.close();
  if (!out) throw Error(ErrorCode::NoSpace, "the store is full: image " + image.id + " does not fit");
  std::string got = hasher.hex();
  if (!got.empty() && !image.hash.empty() && got != image.hash) {
    throw Error(ErrorCode::BackendFailed, "image " + image.id + " arrived with another " + image.hash_algorithm);
  }
}

void Glance::upload(const model::Actor& actor, const std::string& id, const std::filesystem::path& file,
                    const Cancelled& cancelled) {
  http::ClientRequest call = request(actor, "PUT", "/" + id + "/file");
  call.headers.emplace_back("Content-Type", "application/octet-stream");
  call.upload = file;
  call.cancelled = cancelled;
  require_good(client_.send(call), "Image " + id);
}

void Glance::remove(const model::Actor& actor, const std::string& id) {
  http::ClientResponse reply = client_.send(request(actor, "DELETE", "/" + id));
  if (reply.status != 404) require_good(reply, "Image " + id);
}

}  // namespace varve::images
