// Bodies about snapshots, the same in both dialects.
#pragma once

#include "api/common/body.h"
#include "api/common/dispatcher.h"
#include "services/snapshots.h"

namespace varve::api {

// name beats display_name, as at Cinder.
services::SnapshotChange read_snapshot_names(Fields& fields);
// {"snapshot": {...}} of a creation and of the seed's update; throws what both dialects refuse.
services::SnapshotSpec read_snapshot_spec(const Call& call);
services::SnapshotChange read_snapshot_change(const Call& call);

}  // namespace varve::api
