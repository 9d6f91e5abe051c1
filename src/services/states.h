// Changes of status, checked against the tables of model/status.h, and refusals in the words that Cinder's clients
// know.
#pragma once

#include <initializer_list>
#include <string>

#include "base/check.h"
#include "base/error.h"
#include "model/resources.h"

namespace varve::services {

inline void move_to(model::Volume& volume, model::VolumeStatus to) {
  VARVE_CHECK(volume.status == to || model::may_move(volume.status, to), "a volume made an illegal move");
  volume.status = to;
}

inline void move_to(model::Snapshot& snapshot, model::SnapshotStatus to) {
  VARVE_CHECK(snapshot.status == to || model::may_move(snapshot.status, to), "a snapshot made an illegal move");
  snapshot.status = to;
}

// Throws Error(InvalidState) unless the volume has one of the statuses.
void require_status(const model::Volume& volume, std::initializer_list<model::VolumeStatus> allowed,
                    std::string_view to_do, Reason reason = Reason::None);

// Snapshots that a backup made for itself are view-only (EVS: "Operations cannot be performed on such snapshots").
inline constexpr std::string_view kBackupSnapshotPrefix = "autobk_snapshot_";
void require_user_made(const model::Snapshot& snapshot);
void require_user_name(const std::optional<std::string>& name);

}  // namespace varve::services
