// Changes of status, checked against the tables of model/status.h, and refusals in the words that Cinder's clients
// know.
#pragma once

#include <functional>
#include <initializer_list>
#include <string>

#include "base/error.h"
#include "base/log.h"
#include "model/resources.h"
#include "store/database.h"

namespace varve::services {

// A move that the tables do not know is told and made all the same: a task's end must end, whatever an administrator
// or an older database has put into the row meanwhile.
template <class Resource, class Status>
void move_to(Resource& resource, Status to) {
  if (resource.status != to && !model::may_move(resource.status, to)) {
    log::error("an unexpected change of status",
               {{"id", resource.id}, {"from", to_string(resource.status)}, {"to", to_string(to)}});
  }
  resource.status = to;
}

// Throws Error(InvalidState) unless the volume has one of the statuses.
void require_status(const model::Volume& volume, std::initializer_list<model::VolumeStatus> allowed,
                    std::string_view to_do, Reason reason = Reason());

// How a task leaves its volume, if that is still there: at `status`, or as it was before (the task's resume_status),
// unless the last attachment went meanwhile, or one was completed.
void end_at(store::Transaction& tx, const model::Task& task, model::VolumeStatus status, Timestamp now);
void resume_volume(store::Transaction& tx, const model::Task& task, Timestamp now,
                   const std::function<void(model::Volume&)>& change = {});

// A group that is being made or deleted follows the volumes that are: called when one of their tasks ends.
void settle_group(store::Transaction& tx, const std::optional<GroupId>& group, Timestamp now);
void settle_group_snapshot(store::Transaction& tx, const std::optional<GroupSnapshotId>& group_snapshot, Timestamp now);

// Snapshots that a backup made for itself are view-only (EVS: "Operations cannot be performed on such snapshots").
// The snapshot that a backup is made from is called after it and has its id: nobody else can make one of that name.
std::string helper_name(const SnapshotId& id);
bool is_helper(const SnapshotId& id, std::string_view name);
void require_user_made(const model::Snapshot& snapshot);
void require_user_name(const std::optional<std::string>& name);

}  // namespace varve::services
