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
Rows held_roles_rows();  // in six places: of users and of groups, on projects, domains and the system

}  // namespace varve::api::identity_v3
