// On whose behalf something is done.
#pragma once

#include <optional>
#include <string>

#include "base/id.h"

namespace varve::model {

struct Actor {
  UserId user_id;
  ProjectId project_id;
  bool admin = false;
  std::string request_id;
  std::string token;  // while the request lasts: for what another service is asked on the actor's behalf

  // What the actor may see: its own project, or everything.
  std::optional<ProjectId> scope() const {
    if (admin) return std::nullopt;
    return project_id;
  }
};

}  // namespace varve::model
