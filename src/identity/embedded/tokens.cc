#include "identity/embedded/tokens.h"

#include <jwt.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <memory>

#include "base/error.h"

namespace varve::identity {

namespace json = boost::json;

namespace {

using Jwt = std::unique_ptr<jwt_t, decltype(&jwt_free)>;

std::string grant(jwt_t* jwt, const char* name) {
  const char* value = jwt_get_grant(jwt, name);
  return value == nullptr ? std::string() : std::string(value);
}

Timestamp time_grant(jwt_t* jwt, const char* name) {
  return Timestamp(std::chrono::microseconds(json::parse(grant(jwt, name)).to_number<std::int64_t>()));
}

}  // namespace

std::string sign_token(const TokenClaims& claims, const model::SigningKey& key) {
  jwt_t* raw = nullptr;
  if (jwt_new(&raw) != 0) throw Error(ErrorCode::Internal, "cannot make a token");
  Jwt jwt(raw, jwt_free);
  json::array methods(claims.methods.begin(), claims.methods.end());
  jwt_set_alg(jwt.get(), JWT_ALG_HS256, reinterpret_cast<const unsigned char*>(key.secret.data()),
              static_cast<int>(key.secret.size()));
  jwt_add_header(jwt.get(), "kid", key.id.c_str());
  jwt_add_grant(jwt.get(), "jti", claims.id.c_str());
  jwt_add_grant(jwt.get(), "sub", claims.user_id.c_str());
  if (!claims.project_id.empty()) jwt_add_grant(jwt.get(), "project", claims.project_id.c_str());
  if (!claims.domain_id.empty()) jwt_add_grant(jwt.get(), "domain", claims.domain_id.c_str());
  if (claims.system) jwt_add_grant(jwt.get(), "system", "all");
  if (!claims.application_credential_id.empty()) {
    jwt_add_grant(jwt.get(), "credential", claims.application_credential_id.c_str());
  }
  jwt_add_grant(jwt.get(), "methods", json::serialize(methods).c_str());
  jwt_add_grant(jwt.get(), "issued", std::to_string(claims.issued_at.time_since_epoch().count()).c_str());
  jwt_add_grant(jwt.get(), "expires", std::to_string(claims.expires_at.time_since_epoch().count()).c_str());
  std::unique_ptr<char, decltype(&std::free)> text(jwt_encode_str(jwt.get()), std::free);
  if (!text) throw Error(ErrorCode::Internal, "cannot sign a token");
  return text.get();
}

std::optional<TokenClaims> verify_token(const std::string& token, const std::vector<model::SigningKey>& keys) {
  for (const model::SigningKey& key : keys) {
    jwt_t* raw = nullptr;
    if (jwt_decode(&raw, token.c_str(), reinterpret_cast<const unsigned char*>(key.secret.data()),
                   static_cast<int>(key.secret.size())) != 0) {
      continue;
    }
    Jwt jwt(raw, jwt_free);
    // "alg": "none" decodes with any key.
    if (jwt_get_alg(jwt.get()) != JWT_ALG_HS256) return std::nullopt;
    try {
      TokenClaims claims;
      claims.id = grant(jwt.get(), "jti");
      claims.user_id = grant(jwt.get(), "sub");
      claims.project_id = grant(jwt.get(), "project");
      claims.domain_id = grant(jwt.get(), "domain");
      claims.system = grant(jwt.get(), "system") == "all";
      claims.application_credential_id = grant(jwt.get(), "credential");
      json::value methods = json::parse(grant(jwt.get(), "methods"));
      for (const json::value& method : methods.as_array()) claims.methods.emplace_back(method.as_string());
      claims.issued_at = time_grant(jwt.get(), "issued");
      claims.expires_at = time_grant(jwt.get(), "expires");
      return claims;
    } catch (const std::exception&) {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace varve::identity
