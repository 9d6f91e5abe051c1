// The metadata of volumes and snapshots, and the specs of types: bodies, replies, conditions.
#pragma once

#include "api/common/body.h"
#include "api/common/replies.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/text.h"
#include "services/volumes.h"

namespace varve::api::cinder {

// {"<envelope>": {...}}
inline model::Metadata metadata_body(const http::Request& request, std::string_view envelope = "metadata") {
  json::value whole = parse_body(request);
  Fields fields(whole, "body");
  std::optional<model::Metadata> metadata = fields.metadata(envelope);
  if (!metadata) throw Error(ErrorCode::InvalidInput, "'" + std::string(envelope) + "' is a required property");
  fields.finish();
  return std::move(*metadata);
}

// {"meta": {"<key of the path>": "..."}}
inline model::Metadata metadata_item_body(const http::Request& request, const std::string& key) {
  model::Metadata meta = metadata_body(request, "meta");
  if (meta.size() != 1 || !meta.contains(key)) {
    throw Error(ErrorCode::InvalidInput, "Request body and URI mismatch: the one key of 'meta' must be '" + key + "'.");
  }
  return meta;
}

// {"<key>": "..."}. `none` begins the refusal: "Volume <id> has no metadata".
inline json::object pair_of(const model::Metadata& metadata, const std::string& key, const std::string& none) {
  auto found = metadata.find(key);
  if (found == metadata.end()) throw Error(ErrorCode::NotFound, none + " with key " + key + ".");
  return json::object{{key, found->second}};
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

// Of the metadata as it is shown; quoted, as RFC 9110 has it.
inline std::string metadata_etag(const model::Metadata& metadata) {
  return '"' + sha256_hex(json::serialize(json::value(metadata_view(metadata)))).substr(0, 32) + '"';
}

// What If-Match (since 3.15) asks for; a tag may come without its quotes, as Cinder sends it.
inline services::MetadataCondition if_match(const Call& call) {
  std::string wanted(call.request->header("If-Match"));
  if (wanted.empty() || !call.version.at_least(15)) return {};
  return [wanted](const model::Metadata& present) {
    std::string tag = metadata_etag(present);
    for (const std::string& one : split(wanted, ',')) {
      std::string_view given = trim(one);
      if (given == "*" || given == tag || given == std::string_view(tag).substr(1, tag.size() - 2)) return;
    }
    throw Error(ErrorCode::PreconditionFailed,
                "The ETag of the metadata is now " + tag + ", which If-Match does not name.");
  };
}

}  // namespace varve::api::cinder
