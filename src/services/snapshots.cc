#include "services/snapshots.h"

#include <algorithm>

#include "model/reason.h"
#include "services/states.h"
#include "services/volume_rules.h"

namespace varve::services {

namespace asio = boost::asio;
using model::Snapshot;
using model::SnapshotStatus;
using model::Task;
using model::TaskKind;

Snapshots::Snapshots(store::Database& db, backends::Backend& backend, Pools& pools, TaskRunner& tasks, Quotas& quotas,
                     Clock& clock, Rng& rng, const Settings& settings)
    : db_(db),
      backend_(backend),
      pools_(pools),
      tasks_(tasks),
      quotas_(quotas),
      clock_(clock),
      rng_(rng),
      settings_(settings) {
  register_tasks();
}

asio::awaitable<Snapshot> Snapshots::create(model::Actor actor, SnapshotSpec spec) {
  require_user_name(spec.name);
  Snapshot snapshot;
  snapshot.id = SnapshotId(rng_.uuid());
  snapshot.user_id = actor.user_id;
  snapshot.volume_id = spec.volume_id;
  snapshot.name = spec.name;
  snapshot.description = spec.description;
  snapshot.metadata = spec.metadata;
  snapshot.created_at = clock_.now();
  Task task = tasks_.make(TaskKind::CreateSnapshot, actor, spec.volume_id);
  task.snapshot_id = snapshot.id;
  co_await db_.write([&](store::Transaction& tx) {
    model::Volume volume = tx.volumes().get(actor.scope(), spec.volume_id);
    using Status = model::VolumeStatus;
    if (spec.force) {
      require_status(volume, {Status::Available, Status::InUse, Status::Attaching, Status::Reserved, Status::Detaching},
                     "snapshot it");
    } else if (!spec.attached) {
      require_status(volume, {Status::Available}, "snapshot it");
    } else {
      require_status(volume, {Status::Available, Status::InUse}, "snapshot it");
    }
    if (std::int64_t most = settings_.max_snapshots(); tx.snapshots().count_of_volume(volume.id) >= most) {
      throw Error(ErrorCode::OverQuota, "SnapshotLimitExceeded: Volume " + volume.id.str() + " has " +
                                            std::to_string(most) +
                                            " snapshots, the most that is allowed for one volume.");
    }
    std::optional<model::VolumeType> type = tx.volume_types().find(volume.volume_type_id);
    quotas_.require_snapshot(tx, volume.project_id, type.value(), volume.size_gib);
    snapshot.project_id = volume.project_id;
    snapshot.size_gib = volume.size_gib;
    // A snapshot of an encrypted volume is encrypted, with the same key.
    for (const char* key : {"__system__encrypted", "__system__cmkid"}) {
      auto found = volume.metadata.find(key);
      if (found != volume.metadata.end()) snapshot.metadata[key] = found->second;
    }
    task.project_id = volume.project_id;
    tx.snapshots().insert(snapshot);
    tx.tasks().insert(task);
  });
  co_return snapshot;
}

boost::asio::awaitable<Snapshot> Snapshots::show(model::Actor actor, SnapshotId id) const {
  co_return co_await db_.read([&](store::Transaction& tx) { return tx.snapshots().get(actor.scope(), id); });
}

boost::asio::awaitable<model::Page<Snapshot>> Snapshots::list(model::PageQuery query) const {
  co_return co_await db_.read([&](store::Transaction& tx) {
    if (query.marker) tx.snapshots().get(query.project_id, SnapshotId(*query.marker));
    return tx.snapshots().list(query);
  });
}

asio::awaitable<Snapshot> Snapshots::change(model::Actor actor, SnapshotId id, std::function<void(Snapshot&)> apply) {
  co_return co_await db_.write([&](store::Transaction& tx) {
    Snapshot snapshot = tx.snapshots().get(actor.scope(), id);
    require_user_made(snapshot);
    apply(snapshot);
    snapshot.updated_at = clock_.now();
    tx.snapshots().update(snapshot);
    return snapshot;
  });
}

asio::awaitable<Snapshot> Snapshots::update(model::Actor actor, SnapshotId id, SnapshotChange what) {
  if (what.name) require_user_name(*what.name);
  std::function<void(Snapshot&)> apply = [&](Snapshot& snapshot) {
    if (what.name) snapshot.name = *what.name;
    if (what.description) snapshot.description = *what.description;
  };
  co_return co_await change(actor, id, apply);
}

asio::awaitable<model::Metadata> Snapshots::set_metadata(model::Actor actor, SnapshotId id, model::Metadata metadata,
                                                         bool merge) {
  std::function<void(Snapshot&)> apply = [&](Snapshot& snapshot) {
    if (!merge) snapshot.metadata.clear();
    for (const auto& [key, value] : metadata) snapshot.metadata[key] = value;
  };
  Snapshot changed = co_await change(actor, id, apply);
  co_return changed.metadata;
}

asio::awaitable<void> Snapshots::remove_metadata(model::Actor actor, SnapshotId id, std::string key) {
  std::function<void(Snapshot&)> apply = [&](Snapshot& snapshot) {
    if (snapshot.metadata.erase(key) == 0) {
      throw Error(ErrorCode::NotFound, "Snapshot " + id.str() + " has no metadata with key " + key + ".");
    }
  };
  co_await change(actor, id, apply);
}

asio::awaitable<void> Snapshots::remove(model::Actor actor, SnapshotId id, bool force) {
  co_await db_.write([&](store::Transaction& tx) {
    Snapshot snapshot = tx.snapshots().get(actor.scope(), id);
    require_user_made(snapshot);
    if (snapshot.status == SnapshotStatus::Deleting && (!force || tx.tasks().works_on(id))) return;
    bool from_here = model::may_move(snapshot.status, SnapshotStatus::Deleting);
    if (settings_.profile == Profile::Evs) {
      from_here = snapshot.status == SnapshotStatus::Available || snapshot.status == SnapshotStatus::Error;
    }
    if (!from_here && !(force && !tx.tasks().works_on(id))) {
      throw Error(ErrorCode::InvalidState,
                  "Invalid snapshot: Snapshot " + id.str() +
                      " status must be available or error or error_deleting to delete it, but "
                      "current status is: " +
                      std::string(to_string(snapshot.status)) + ".",
                  Reason::SnapshotNotDeletable);
    }
    if (tx.tasks().snapshot_is_source(id)) {
      throw Error(ErrorCode::InvalidState,
                  "Invalid snapshot: A volume is being created from snapshot " + id.str() + ".");
    }
    if (std::size_t attachments = tx.attachments().of_snapshot(id).size(); attachments > 0) {
      throw Error(ErrorCode::InvalidState, "Invalid snapshot: Snapshot " + id.str() + " has " +
                                               std::to_string(attachments) + " attachments; delete them first.");
    }
    snapshot.status = SnapshotStatus::Deleting;  // no move of the tables: by force, from any status
    snapshot.updated_at = clock_.now();
    tx.snapshots().update(snapshot);
    Task task = tasks_.make(TaskKind::DeleteSnapshot, actor, snapshot.volume_id);
    task.snapshot_id = id;
    task.project_id = snapshot.project_id;
    tx.tasks().insert(task);
  });
}

namespace {

// Cinder: os-update_snapshot_status ends what somebody else began, and nothing else.
void require_reportable(SnapshotStatus from, SnapshotStatus to) {
  using enum SnapshotStatus;
  bool ends_creation = from == Creating && (to == Creating || to == Available || to == Error);
  bool ends_deletion = from == Deleting && (to == Deleting || to == ErrorDeleting);
  if (ends_creation || ends_deletion) return;
  invalid("Snapshot status " + std::string(to_string(from)) + " not allowed for update_snapshot_status to " +
          std::string(to_string(to)) + ".");
}

}  // namespace

asio::awaitable<void> Snapshots::reset_status(model::Actor actor, SnapshotId id, std::string status) {
  co_await set_status(actor, id, status, false, std::nullopt);
}

asio::awaitable<void> Snapshots::report_status(model::Actor actor, SnapshotId id, std::string status,
                                               std::optional<std::string> progress) {
  co_await set_status(actor, id, status, true, progress);
}

asio::awaitable<void> Snapshots::set_status(model::Actor actor, SnapshotId id, std::string status, bool report,
                                            std::optional<std::string> progress) {
  std::optional<SnapshotStatus> to = model::parse_snapshot_status(status);
  if (!to) throw Error(ErrorCode::InvalidInput, "Must specify a valid status: '" + status + "' is none.");
  co_await db_.write([&](store::Transaction& tx) {
    Snapshot snapshot = tx.snapshots().get(actor.scope(), id);
    bool is_deleted = std::ranges::any_of(tx.tasks().live_of(snapshot.volume_id), [](const model::Task& task) {
      return task.kind == model::TaskKind::DeleteVolume;
    });
    if (is_deleted || tx.tasks().works_on(id)) {
      throw Error(ErrorCode::InvalidState, "Invalid snapshot: Snapshot " + id.str() + " is " +
                                               std::string(to_string(snapshot.status)) + ": a task works on it.");
    }
    if (report) require_reportable(snapshot.status, *to);
    snapshot.progress = progress;
    snapshot.status = *to;
    snapshot.updated_at = clock_.now();
    tx.snapshots().update(snapshot);
  });
}

boost::asio::awaitable<backends::Usage> Snapshots::usage(model::Actor actor, SnapshotId id) const {
  Snapshot snapshot = co_await show(actor, id);
  if (snapshot.status == SnapshotStatus::Creating || snapshot.status == SnapshotStatus::Error)
    co_return backends::Usage{};
  model::Volume volume =
      co_await db_.read([&](store::Transaction& tx) { return tx.volumes().get(std::nullopt, snapshot.volume_id); });
  co_return co_await pools_.usage(volume.pool, model::Source{volume.id, id});
}

void Snapshots::register_tasks() {
  auto settle = [this](store::Transaction& tx, const std::optional<Snapshot>& snapshot) {
    if (snapshot) settle_group_snapshot(tx, snapshot->group_snapshot_id, clock_.now());
  };
  auto to = [this](store::Transaction& tx, const Task& task, SnapshotStatus status) {
    std::optional<Snapshot> snapshot = tx.snapshots().find(std::nullopt, task.snapshot_id.value());
    if (!snapshot) return;
    move_to(*snapshot, status);
    snapshot->updated_at = clock_.now();
    tx.snapshots().update(*snapshot);
  };
  tasks_.handle(
      TaskKind::CreateSnapshot,
      {[this](const Task& task) {
         backend_.make_way(task.volume_id);
         backend_.create_snapshot(task.volume_id, task.snapshot_id.value());
       },
       [to](store::Transaction& tx, const Task& task) { to(tx, task, SnapshotStatus::Available); },
       [to](store::Transaction& tx, const Task& task, const Error&) { to(tx, task, SnapshotStatus::Error); }});
  tasks_.handle(TaskKind::DeleteSnapshot,
                {[this](const Task& task) { backend_.delete_snapshot(task.volume_id, task.snapshot_id.value()); },
                 [settle](store::Transaction& tx, const Task& task) {
                   SnapshotId id(task.snapshot_id.value());
                   std::optional<Snapshot> snapshot = tx.snapshots().find(std::nullopt, id);
                   tx.snapshots().remove(id);
                   settle(tx, snapshot);
                 },
                 [to, settle](store::Transaction& tx, const Task& task, const Error&) {
                   to(tx, task, SnapshotStatus::ErrorDeleting);
                   settle(tx, tx.snapshots().find(std::nullopt, task.snapshot_id.value()));
                 }});
}

}  // namespace varve::services
