#include "services/damages.h"

#include "base/log.h"
#include "services/states.h"

namespace varve::services {

namespace {
constexpr std::int64_t kPage = 1000;
}

void Damages::follow() {
  std::uint64_t now = backend_.damage_version();
  if (now != seen_) {
    follow_all();
    if (!stopping_) seen_ = now;
  } else if (!waiting_.empty()) {
    follow_waiting();
  }
}

void Damages::follow_all() {
  waiting_.clear();
  follow_volumes();
  follow_snapshots();
  if (stopping_) return;
  db_.write_blocking([](store::Transaction& tx) { tx.damages().forget_those_without_rows(); });
  std::vector<VolumeId> damaged = db_.read_blocking([](store::Transaction& tx) { return tx.damages().volumes(); });
  std::set<VolumeId> lost;
  for (const VolumeId& volume : damaged) {
    if (!backend_.has_volume(volume)) lost.insert(volume);
  }
  backend_.expect(std::move(lost));
}

void Damages::follow_waiting() {
  std::vector<model::Damage> due;
  db_.read_blocking([&](store::Transaction& tx) {
    auto is_due = [&](const model::Source& source) {
      auto is_busy = [](const auto& row) { return row && model::is_transitional(row->status); };
      if (source.snapshot ? is_busy(tx.snapshots().find(std::nullopt, *source.snapshot))
                          : is_busy(tx.volumes().find(std::nullopt, source.volume))) {
        return false;
      }
      const std::string& id = source.snapshot ? source.snapshot->str() : source.volume.str();
      due.push_back({id, source.volume, backend_.damage(source).value_or(""), clock_.now()});
      return true;
    };
    std::erase_if(waiting_, is_due);
  });
  settle(due);
}

void Damages::follow_volumes() {
  VolumeId last;
  for (std::vector<VolumeId> page; !stopping_;) {
    std::vector<model::Damage> changed;
    db_.read_blocking([&](store::Transaction& tx) {
      page = tx.volumes().ids_after(last, kPage);
      for (const VolumeId& id : page) {
        std::string reason = backend_.damage({id}).value_or("");
        auto known = tx.damages().find(id.str());
        if (known ? known->reason != reason : !reason.empty()) changed.push_back({id.str(), id, reason, clock_.now()});
      }
    });
    if (page.empty()) return;
    last = page.back();
    settle(changed);
  }
}

void Damages::follow_snapshots() {
  SnapshotId last;
  for (std::vector<std::pair<SnapshotId, VolumeId>> page; !stopping_;) {
    std::vector<model::Damage> changed;
    db_.read_blocking([&](store::Transaction& tx) {
      page = tx.snapshots().ids_after(last, kPage);
      for (const auto& [id, volume] : page) {
        std::string reason = backend_.damage({volume, id}).value_or("");
        auto known = tx.damages().find(id.str());
        if (known ? known->reason != reason : !reason.empty()) {
          changed.push_back({id.str(), volume, reason, clock_.now()});
        }
      }
    });
    if (page.empty()) return;
    last = page.back().first;
    settle(changed);
  }
}

// A reason of "": the bytes can be read.
void Damages::settle(const std::vector<model::Damage>& found) {
  if (found.empty()) return;
  db_.write_blocking([&](store::Transaction& tx) {
    for (const model::Damage& one : found) {
      if (one.id == one.volume_id.str()) {
        settle_volume(tx, one);
      } else {
        settle_snapshot(tx, one);
      }
    }
  });
}

// A row of a volume or snapshot, after it is noted: whether its status changed.
template <class Row>
bool Damages::settle_status(Row& row, bool damaged) const {
  using Status = decltype(row.status);
  Status to = row.status;
  if (damaged && row.status == Status::Available) to = Status::Error;
  if (!damaged && row.status == Status::Error) to = Status::Available;
  if (to == row.status) return false;
  move_to(row, to);
  row.updated_at = clock_.now();
  return true;
}

// A task that works on it will end its status, and tell if it fails; damage that its success does not show is told
// then.
template <class Row>
bool Damages::is_to_change(store::Transaction& tx, const std::optional<Row>& row, const model::Damage& found) {
  if (!row) return false;
  if (model::is_transitional(row->status)) {
    model::Source source{found.volume_id};
    if (found.id != found.volume_id.str()) source.snapshot = SnapshotId(found.id);
    waiting_.insert(source);
    return false;
  }
  return note(tx, found, row->project_id, row->status == decltype(row->status)::Error);
}

void Damages::settle_volume(store::Transaction& tx, const model::Damage& found) {
  auto volume = tx.volumes().find(std::nullopt, found.volume_id);
  if (!is_to_change(tx, volume, found)) return;
  if (settle_status(*volume, !found.reason.empty())) tx.volumes().update(*volume);
}

void Damages::settle_snapshot(store::Transaction& tx, const model::Damage& found) {
  auto snapshot = tx.snapshots().find(std::nullopt, SnapshotId(found.id));
  if (!is_to_change(tx, snapshot, found)) return;
  if (settle_status(*snapshot, !found.reason.empty())) tx.snapshots().update(*snapshot);
}

// False when there is nothing new: something that could not be made has no bytes, and has said so.
bool Damages::note(store::Transaction& tx, const model::Damage& found, const ProjectId& project, bool failed_before) {
  std::optional<model::Damage> known = tx.damages().find(found.id);
  if (found.reason.empty()) return tx.damages().remove(found.id);
  if (!known && failed_before) return false;
  model::Damage damage = found;
  if (known) damage.found_at = known->found_at;
  tx.damages().put(damage);
  if (!known) messages_.bytes_damaged(tx, project, damage);
  return true;
}

}  // namespace varve::services
