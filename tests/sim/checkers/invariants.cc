#include "invariants.h"

#include <algorithm>

#include "store/columns.h"

namespace varve::sim {

namespace {

constexpr auto kAll = std::to_array<Invariant>({
    {"a transitional status has a live task", When::AfterCommit, ownerless_status},
    {"rows fit together", When::AfterCommit, stray_row},
    {"no limit is exceeded", When::AfterCommit, exceeded_limit},
    {"every task ends", When::AtRest, unended_task},
    {"a volume's status fits its attachments", When::AtRest, wrong_attachments},
    {"what was acknowledged is kept", When::AtRest, lost_volume},
    {"quota use equals the rows", When::AtRest, miscounted_quota},
    {"bytes have a row", When::AtRest, stray_bytes},
    {"rows have their bytes", When::AtRest, missing_bytes},
    {"an export has its attachment", When::AtRest, stray_export},
    {"an attachment has its export", When::AtRest, missing_export},
});

template <class Row, class Key>
const Row* found(const std::vector<Row>& rows, const Key& id) {
  auto place = std::ranges::find(rows, id, &Row::id);
  return place == rows.end() ? nullptr : &*place;
}

}  // namespace

std::span<const Invariant> invariants() {
  return kAll;
}

const model::Volume* View::find(const VolumeId& id) const {
  return found(volumes, id);
}

const model::Snapshot* View::find(const SnapshotId& id) const {
  return found(snapshots, id);
}

View view_of(store::Database& db, bool all_tasks) {
  return db.read_blocking([&](store::Transaction& tx) {
    constexpr std::string_view kInOrder = "ORDER BY created_at, id";
    store::Connection& rows = tx.connection();
    View view;
    view.volumes = store::select<model::Volume>(rows, kInOrder);
    view.snapshots = store::select<model::Snapshot>(rows, kInOrder);
    view.attachments = store::select<model::Attachment>(rows, kInOrder);
    view.transfers = store::select<model::Transfer>(rows, kInOrder);
    view.groups = store::select<model::VolumeGroup>(rows, kInOrder);
    view.group_snapshots = store::select<model::GroupSnapshot>(rows, kInOrder);
    for (const model::VolumeType& type : tx.volume_types().all()) view.types[type.id] = type.name;
    view.tasks = store::select<model::Task>(
        rows, all_tasks ? "ORDER BY created_at, id" : "WHERE state = 'live' ORDER BY created_at, id");
    return view;
  });
}

}  // namespace varve::sim
