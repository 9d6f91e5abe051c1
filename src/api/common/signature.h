// Requests signed with an access key: "Authorization: SDK-HMAC-SHA256 Access=..., SignedHeaders=..., Signature=...", as
// the SDKs of the clouds that offer EVS send them. Source: their "API signing guide".
#pragma once

#include <optional>

#include "http/message.h"
#include "identity/authenticator.h"

namespace varve::api {

// nullopt: the request is not signed. Throws Error(Unauthorized) when the header is broken or X-Sdk-Date or Host is not
// among what was signed.
std::optional<identity::SignedRequest> read_signature(const http::Request& request);

// What is signed: method, path, query, the signed headers and the body's digest.
std::string canonical_request(const http::Request& request, std::string_view signed_headers);

}  // namespace varve::api
