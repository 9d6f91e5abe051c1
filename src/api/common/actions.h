// Which EVS actions a call needs: the permission pages of the EVS API reference ("Permissions Policies and Supported
// Actions") as one table, and for Cinder's other calls the action that fits.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace varve::api {

// Pattern without version and project ("/volumes/{id}"). nullopt: not in the table, the roles decide. Empty: nothing is
// asked for, or the handler asks when it has read the body.
std::optional<std::vector<std::string_view>> actions_of(http::Verb method, std::string_view pattern);

}  // namespace varve::api
