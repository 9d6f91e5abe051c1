// The contract of who a caller is: a token in, an identity out.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "identity/policy.h"
#include "model/identity.h"

namespace varve::identity {

// What a good token stands for, as of now: roles and names are looked up, not read out of the token.
struct Identity {
  model::User user;  // without its password hash
  model::Domain user_domain;
  std::optional<model::Project> project;  // project scope
  model::Domain project_domain;
  std::optional<model::Domain> domain;  // domain scope
  bool system = false;                  // system scope
  std::vector<model::Role> roles;       // with the implied ones (admin: member; member: reader)
  Policy policy;                        // of the roles that are custom policies
  std::vector<std::string> methods;
  std::string token_id;
  std::optional<std::string> application_credential_id;
  bool may_manage_credentials = true;
  Timestamp issued_at;
  Timestamp expires_at;

  bool has_role(std::string_view name) const {
    for (const model::Role& role : roles) {
      if (role.name == name) return true;
    }
    return false;
  }
  bool is_admin() const { return has_role("admin"); }

  // An EVS action: members may do all, readers look; custom policies add to that, and what one denies is denied.
  bool allows(std::string_view action) const {
    switch (decide(policy, action)) {
      case Decision::Denied:
        return false;
      case Decision::Allowed:
        return true;
      case Decision::Silent:
        return has_role("member") || (is_reading(action) && has_role("reader"));
    }
    return false;
  }
};

// A request signed with an access key ("SDK-HMAC-SHA256", the signing of the vendors' SDKs).
struct SignedRequest {
  std::string access_key;
  std::string date;        // "20260131T235959Z", as sent
  std::string canonical;   // the canonical request
  std::string signature;   // hexadecimal
  std::string project_id;  // "": the user's default project
  bool changes = false;    // such a request is good once
};

class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // Throws Error(Unauthorized) for a signature that is not good: an unknown or inactive key, a date more than 15
  // minutes away, a wrong signature, one of a changing request that was seen before.
  virtual boost::asio::awaitable<std::shared_ptr<const Identity>> authenticate_signature(SignedRequest request) = 0;

  // Throws Error(Unauthorized) for a token that is not good: unknown, expired, revoked, or whose user, project or role
  // is gone. Cached with bounds. service_token: "" or that of a service that acts for the user; then a token that ended
  // while the service worked may pass, where the implementation knows of services.
  virtual boost::asio::awaitable<std::shared_ptr<const Identity>> authenticate(std::string token,
                                                                               std::string service_token) = 0;
};

}  // namespace varve::identity
