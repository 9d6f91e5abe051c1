// Identities as Keystone shows them.
#pragma once

#include <boost/json.hpp>

#include "api/common/dispatcher.h"
#include "identity/directory.h"

namespace varve::api::identity_v3 {

namespace json = boost::json;

http::Response json_reply(unsigned status, const json::value& body);
http::Response empty_reply();  // 204

// Where the services are, beside our own address.
struct Catalog {
  std::string region;
  std::string image_endpoint;  // "": our own, which is without images
};

json::array catalog_view(const Call& call, const Catalog& from, const std::optional<model::Project>& project);
json::object token_view(const Call& call, const Catalog& from, const identity::Identity& identity, bool with_catalog);

json::object view(const Call& call, const model::Domain& domain);
json::object view(const Call& call, const model::Project& project);
json::object view(const Call& call, const model::User& user);
json::object view(const Call& call, const model::Group& group);
json::object view(const Call& call, const model::Role& role);
json::object credential_view(const Call& call, const model::ApplicationCredential& credential,
                             const std::vector<model::Role>& roles);

// {"<name>": [...], "links": {...}}: what every list of Keystone is.
json::object list_view(const Call& call, std::string_view name, json::array items);

}  // namespace varve::api::identity_v3
