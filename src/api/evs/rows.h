// The rows of each kind of resource. What EVS alone has answers faults in its own envelope; os-vendor-* are extensions
// of Cinder's and do as Cinder.
#pragma once

#include "api/common/dispatcher.h"
#include "api/common/services.h"

namespace varve::api::evs {

using Rows = RowsOf<Services>;

Rows volumes_rows();
Rows volume_extension_rows();
Rows snapshots_rows();
Rows snapshot_extension_rows();
Rows tags_rows();
Rows tag_extension_rows();
Rows resource_tags_rows();
Rows jobs_rows();
Rows legacy_rows();
Rows refusal_rows();

}  // namespace varve::api::evs
