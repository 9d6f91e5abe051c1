// The rows of each kind of resource: every file of this folder maps JSON to calls of services/ and back, and says what
// it serves. No rule lives here.
#pragma once

#include "api/common/dispatcher.h"
#include "api/common/services.h"

namespace varve::api::cinder {

using Rows = RowsOf<Services>;

Rows versions_rows();
Rows volumes_rows();
Rows volume_actions_rows();
Rows snapshots_rows();
Rows attachments_rows();
Rows types_rows();
Rows type_extras_rows();
Rows default_types_rows();
Rows quotas_rows();
Rows extensions_rows();
Rows services_and_hosts_rows();
Rows transfers_rows();
Rows messages_rows();
Rows images_rows();
Rows backups_rows();
Rows groups_rows();
Rows consistency_groups_rows();
Rows group_types_rows();
Rows adoption_rows();
Rows explanations_rows();

}  // namespace varve::api::cinder
