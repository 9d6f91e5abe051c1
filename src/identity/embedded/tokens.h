// Tokens: JSON Web Signatures (HS256, RFC 7515) over who, where and until when. Nothing in them is secret; roles are
// not in them. Signed with the newest key; every key of the store verifies, so that rotation logs nobody out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/identity.h"

namespace varve::identity {

struct TokenClaims {
  std::string id;  // unique, for revocation
  std::string user_id;
  std::string project_id;  // at most one of project, domain, system
  std::string domain_id;
  bool system = false;
  std::string application_credential_id;
  std::vector<std::string> methods;
  Timestamp issued_at;
  Timestamp expires_at;
};

std::string sign_token(const TokenClaims& claims, const model::SigningKey& key);

// nullopt: not ours, or tampered with. Expiry is not looked at.
std::optional<TokenClaims> verify_token(const std::string& token, const std::vector<model::SigningKey>& keys);

}  // namespace varve::identity
