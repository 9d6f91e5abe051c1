#include "services/damages.h"

#include "base/log.h"
#include "services/states.h"

namespace varve::services {

namespace {
constexpr std::int64_t kPage = 1000;
}

void Damages::follow() {
  std::uint64_t now = backend_.damage_version();
  if (now == seen_) return;
  follow_volumes();
  follow_snapshots();
  if (stopping_) return;
  store::Work forget = [](store::Transaction& tx) { tx.damages().forget_those_without_rows(); };
  db_.write_blocking(forget);
  seen_ = now;
}

void Damages::follow_volumes() {
  VolumeId last;
  for (std::vector<VolumeId> page; !stopping_;) {
    std::vector<model::Damage> changed;
    store::Work look = [&](store::Transaction& tx) {
      page = tx.volumes().ids_after(last, kPage);
      for (const VolumeId& id : page) {
        std::string reason = backend_.damage(id, std::nullopt).value_or("");
        auto known = tx.damages().find(id.str());
        if (known ? known->reason != reason : !reason.empty()) changed.push_back({id.str(), id, reason, clock_.now()});
      }
    };
    db_.read(look);
    if (page.empty()) return;
    last = page.back();
    settle(changed);
  }
}

void Damages::follow_snapshots() {
  SnapshotId last;
  for (std::vector<std::pair<SnapshotId, VolumeId>> page; !stopping_;) {
    std::vector<model::Damage> changed;
    store::Work look = [&](store::Transaction& tx) {
      page = tx.snapshots().ids_after(last, kPage);
      for (const auto& [id, volume] : page) {
        std::string reason = backend_.damage(volume, id).value_or("");
        auto known = tx.damages().find(id.str());
        if (known ? known->reason != reason : !reason.empty()) {
          changed.push_back({id.str(), volume, reason, clock_.now()});
        }
      }
    };
    db_.read(look);
    if (page.empty()) return;
    last = page.back().first;
    settle(changed);
  }
}

// A reason of "": the bytes can be read.
void Damages::settle(const std::vector<model::Damage>& found) {
  if (found.empty()) return;
  store::Work write = [&](store::Transaction& tx) {
    for (const model::Damage& one : found) {
      if (one.id == one.volume_id.str()) {
        settle_volume(tx, one);
      } else {
        settle_snapshot(tx, one);
      }
    }
  };
  db_.write_blocking(write);
}

void Damages::settle_volume(store::Transaction& tx, const model::Damage& found) {
  using enum model::VolumeStatus;
  auto volume = tx.volumes().find(std::nullopt, found.volume_id);
  // A task that works on it will end its status, and tell if it fails.
  if (!volume || model::is_transitional(volume->status)) return;
  if (!note(tx, found, volume->project_id, volume->status == Error)) return;
  model::VolumeStatus to = volume->status;
  if (!found.reason.empty() && volume->status == Available) to = Error;
  if (found.reason.empty() && volume->status == Error) to = Available;
  if (to == volume->status) return;
  move_to(*volume, to);
  volume->updated_at = clock_.now();
  tx.volumes().update(*volume);
}

void Damages::settle_snapshot(store::Transaction& tx, const model::Damage& found) {
  using enum model::SnapshotStatus;
  auto snapshot = tx.snapshots().find(std::nullopt, SnapshotId(found.id));
  if (!snapshot || model::is_transitional(snapshot->status)) return;
  if (!note(tx, found, snapshot->project_id, snapshot->status == Error)) return;
  model::SnapshotStatus to = snapshot->status;
  if (!found.reason.empty() && snapshot->status == Available) to = Error;
  if (found.reason.empty() && snapshot->status == Error) to = Available;
  if (to == snapshot->status) return;
  move_to(*snapshot, to);
  snapshot->updated_at = clock_.now();
  tx.snapshots().update(*snapshot);
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
