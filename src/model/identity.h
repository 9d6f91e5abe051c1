// Who there is, and what roles they have where. Plain structs, one a table row.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/id.h"

namespace varve::model {

struct Domain {
  std::string id;
  std::string name;
  std::string description;
  bool enabled = true;
};

struct Project {
  ProjectId id;
  std::string domain_id;
  std::string name;
  std::string description;
  bool enabled = true;
};

struct User {
  UserId id;
  std::string domain_id;
  std::string name;
  std::string description;
  std::optional<std::string> email;
  std::optional<ProjectId> default_project_id;
  bool enabled = true;
  std::string password_hash;
  Timestamp password_changed_at;
};

struct Role {
  std::string id;
  std::string name;
  std::optional<std::string> description = {};
  std::optional<std::string> policy = {};  // a custom policy (identity/policy.h); null: a plain role
};

struct Group {
  std::string id;
  std::string domain_id;
  std::string name;
  std::string description;
};

// Of a user, or of a group (then user_id is empty).
struct RoleAssignment {
  UserId user_id;
  std::string target_kind;  // "project", "domain" or "system"
  std::string target_id;
  std::string role_id;
  std::string group_id = {};
};

// Signs requests ("AK/SK"). The secret is needed to verify a signature, so it is kept as it is.
struct AccessKey {
  std::string id;
  UserId user_id;
  std::string secret;
  std::string description;
  bool active = true;
  Timestamp created_at;
};

struct ApplicationCredential {
  std::string id;
  UserId user_id;
  ProjectId project_id;
  std::string name;
  std::optional<std::string> description;
  std::string secret_hash;
  std::vector<std::string> roles;  // names
  bool unrestricted = false;
  std::optional<Timestamp> expires_at;
};

struct SigningKey {
  std::string id;
  std::string secret;
  Timestamp created_at;
};

}  // namespace varve::model
