// The rows of each kind of resource.
#pragma once

#include "api/common/dispatcher.h"
#include "api/identity/identity_api.h"

namespace varve::api::identity_v3 {

using Rows = RowsOf<Context>;

Rows tokens_rows();
Rows management_rows();
Rows groups_rows();
Rows iam_rows();
Rows assignments_rows();

// The roles of a user or group on something.
enum class Held : std::uint8_t { OnProject, OnDomain, OnSystem };
Rows held_roles_rows(Held on);

}  // namespace varve::api::identity_v3
