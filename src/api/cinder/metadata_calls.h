// The metadata sub-resource, the same for volumes and snapshots: what differs is how it is read and written.
#pragma once

#include "api/common/body.h"
#include "base/error.h"

namespace varve::api::cinder {

// {"metadata": {...}}
inline model::Metadata metadata_body(const http::Request& request) {
  json::object body = parse_body(request);
  json::value whole = std::move(body);
  Fields fields(whole, "body");
  std::optional<model::Metadata> metadata = fields.metadata("metadata");
  if (!metadata) throw Error(ErrorCode::InvalidInput, "'metadata' is a required property");
  fields.finish();
  return std::move(*metadata);
}

// {"meta": {"<key of the path>": "..."}}
inline model::Metadata metadata_item_body(const http::Request& request, const std::string& key) {
  json::object body = parse_body(request);
  json::value whole = std::move(body);
  Fields fields(whole, "body");
  std::optional<model::Metadata> meta = fields.metadata("meta");
  if (!meta) throw Error(ErrorCode::InvalidInput, "'meta' is a required property");
  fields.finish();
  if (meta->size() != 1 || !meta->contains(key)) {
    throw Error(ErrorCode::InvalidInput, "Request body and URI mismatch: the one key of 'meta' must be '" + key + "'.");
  }
  return std::move(*meta);
}

// {"<key of the path>": "..."}
inline model::Metadata read_one_pair(const http::Request& request, const std::string& key) {
  json::value whole = json::object{{"specs", parse_body(request)}};
  model::Metadata specs = Fields(whole, "body").metadata("specs").value();
  if (specs.size() != 1 || !specs.contains(key)) {
    throw Error(ErrorCode::InvalidInput, "Request body and URI mismatch: the one key must be '" + key + "'.");
  }
  return specs;
}

}  // namespace varve::api::cinder
