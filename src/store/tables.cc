#include "store/tables.h"

#include "store/find.h"
#include "store/page_select.h"

namespace varve::store {

namespace {

// Of every row that has any; column is metadata or tags.
std::vector<model::Metadata> pairs_of(Connection& db, const std::string& table, const std::string& column,
                                      const Scope& scope) {
  std::vector<model::Metadata> out;
  std::string sql = "SELECT " + column + " FROM " + table + " WHERE " + column + " <> '{}'";
  auto rows =
      scope ? query<model::Metadata>(db, sql + " AND project_id = :project", *scope) : query<model::Metadata>(db, sql);
  for (auto& [metadata] : rows) out.push_back(std::move(metadata));
  return out;
}

// Of names that the program has, none that a client gave.
std::string where_status_in(const std::vector<std::string_view>& names) {
  std::string out;
  for (std::string_view name : names) out += (out.empty() ? "WHERE status IN ('" : ", '") + std::string(name) + "'";
  return out + ")";
}

void touch(Connection& db, const VolumeId& volume) {
  db.touched().volumes.push_back(volume);
}

// Before a row that names its volume is removed.
template <class T, class IdType>
void touch_volume_of(Connection& db, const IdType& id) {
  static const std::string sql = "SELECT volume_id FROM " + std::string(Table<T>::name) + " WHERE id = :id";
  for (auto& [volume] : query<VolumeId>(db, sql, id)) touch(db, volume);
}

}  // namespace

void Volumes::insert(const model::Volume& volume) {
  touch(db_, volume.id);
  store::insert(db_, volume);
}

void Volumes::update(const model::Volume& volume) {
  touch(db_, volume.id);
  store::update(db_, volume);
}

void Volumes::remove(const VolumeId& id) {
  touch(db_, id);
  run(db_, "DELETE FROM volumes WHERE id = :id", id);
}

std::optional<model::Volume> Volumes::find(const Scope& scope, const VolumeId& id) {
  return find_scoped<model::Volume>(db_, scope, id);
}

model::Volume Volumes::get(const Scope& scope, const VolumeId& id) {
  std::optional<model::Volume> volume = find(scope, id);
  if (!volume) not_found("Volume", id.str());
  return std::move(*volume);
}

model::Page<model::Volume> Volumes::list(const model::PageQuery& query) {
  return select_page<model::Volume>(db_, query);
}

std::vector<VolumeId> Volumes::ids_after(const VolumeId& id, std::int64_t limit) {
  std::vector<VolumeId> out;
  for (auto& [next] :
       query<VolumeId>(db_, "SELECT id FROM volumes WHERE id > :id ORDER BY id LIMIT :limit", id, limit)) {
    out.push_back(std::move(next));
  }
  return out;
}

std::vector<model::Volume> Volumes::transitional() {
  static const std::string kWhere = where_status_in(model::transitional_volume_statuses());
  return select<model::Volume>(db_, kWhere);
}

Usage Volumes::usage(const Scope& scope, const std::optional<VolumeTypeId>& type) {
  constexpr std::string_view kSum = "SELECT COUNT(*), COALESCE(SUM(size_gib), 0) FROM volumes";
  constexpr std::string_view kGrowth =
      "SELECT 0, COALESCE(SUM(t.size_gib - v.size_gib), 0) FROM tasks t JOIN volumes v ON v.id = t.volume_id "
      "WHERE t.state = 'live' AND t.kind = 'volume.extend'";
  using Int = std::int64_t;
  auto sum = [&](std::string_view select, std::string_view by_project, std::string_view by_type) {
    std::string sql(select);
    if (scope && type) {
      sql += std::string(by_type) + " = :type AND " + std::string(by_project) + " = :project";
      return usage_of(query<Int, Int>(db_, sql, *type, *scope));
    }
    if (scope) return usage_of(query<Int, Int>(db_, sql + std::string(by_project) + " = :project", *scope));
    return usage_of(query<Int, Int>(db_, select));
  };
  Usage usage = scope ? sum(std::string(kSum) + " WHERE ", "project_id", "volume_type_id") : sum(kSum, "", "");
  Usage growth = scope ? sum(std::string(kGrowth) + " AND ", "v.project_id", "v.volume_type_id") : sum(kGrowth, "", "");
  usage.gib += growth.gib;
  if (!scope || !type) return usage;
  Usage coming = usage_of(query<Int, Int>(
      db_,
      "SELECT COUNT(*), COALESCE(SUM(v.size_gib), 0) FROM tasks t JOIN volumes v ON v.id = t.volume_id "
      "WHERE t.state = 'live' AND t.kind = 'volume.retype' AND t.payload = :type AND v.volume_type_id <> :present "
      "AND v.project_id = :project",
      model::Payload(*type), *type, *scope));
  usage.count += coming.count;
  usage.gib += coming.gib;
  return usage;
}

namespace {

void add_usage(Connection& db, std::string_view sql, std::map<ProjectId, Usage>& out) {
  for (auto& [project, count, gib] : query<ProjectId, std::int64_t, std::int64_t>(db, sql)) {
    Usage& usage = out[project];
    usage.count += count;
    usage.gib += gib;
  }
}

}  // namespace

std::map<ProjectId, Usage> Volumes::usage_by_project() {
  std::map<ProjectId, Usage> out;
  add_usage(db_, "SELECT project_id, COUNT(*), SUM(size_gib) FROM volumes GROUP BY project_id", out);
  add_usage(db_,
            "SELECT v.project_id, 0, SUM(t.size_gib - v.size_gib) FROM tasks t JOIN volumes v ON v.id = t.volume_id "
            "WHERE t.state = 'live' AND t.kind = 'volume.extend' GROUP BY v.project_id",
            out);
  return out;
}

std::int64_t Volumes::usage_of_pool(const std::string& pool) {
  return std::get<0>(
      query<std::int64_t>(db_, "SELECT COALESCE(SUM(size_gib), 0) FROM volumes WHERE pool = :pool", pool).front());
}

bool Volumes::another_uses_key(const KeyId& key, const VolumeId& except) {
  return !query<std::int64_t>(db_, "SELECT 1 FROM volumes WHERE encryption_key_id = :key AND id <> :id LIMIT 1", key,
                              except)
              .empty();
}

std::vector<model::Metadata> Volumes::metadata(const Scope& scope) {
  return pairs_of(db_, "volumes", "metadata", scope);
}

std::vector<model::Metadata> Volumes::tags(const Scope& scope) {
  return pairs_of(db_, "volumes", "tags", scope);
}

void Snapshots::insert(const model::Snapshot& snapshot) {
  touch(db_, snapshot.volume_id);
  store::insert(db_, snapshot);
}

void Snapshots::update(const model::Snapshot& snapshot) {
  touch(db_, snapshot.volume_id);
  store::update(db_, snapshot);
}

void Snapshots::remove(const SnapshotId& id) {
  touch_volume_of<model::Snapshot>(db_, id);
  run(db_, "DELETE FROM snapshots WHERE id = :id", id);
}

std::optional<model::Snapshot> Snapshots::find(const Scope& scope, const SnapshotId& id) {
  return find_scoped<model::Snapshot>(db_, scope, id);
}

model::Snapshot Snapshots::get(const Scope& scope, const SnapshotId& id) {
  std::optional<model::Snapshot> snapshot = find(scope, id);
  if (!snapshot) not_found("Snapshot", id.str());
  return std::move(*snapshot);
}

model::Page<model::Snapshot> Snapshots::list(const model::PageQuery& query) {
  return select_page<model::Snapshot>(db_, query);
}

std::vector<model::Snapshot> Snapshots::of_volume(const VolumeId& id) {
  return select<model::Snapshot>(db_, "WHERE volume_id = :volume ORDER BY created_at DESC, id DESC", id);
}

std::vector<std::pair<SnapshotId, VolumeId>> Snapshots::ids_after(const SnapshotId& last, std::int64_t count) {
  std::vector<std::pair<SnapshotId, VolumeId>> out;
  constexpr std::string_view kSql = "SELECT id, volume_id FROM snapshots WHERE id > :last ORDER BY id LIMIT :count";
  for (auto& [id, volume] : query<SnapshotId, VolumeId>(db_, kSql, last, count)) {
    out.emplace_back(std::move(id), std::move(volume));
  }
  return out;
}

std::int64_t Snapshots::count_of_volume(const VolumeId& id) {
  return std::get<0>(query<std::int64_t>(db_, "SELECT COUNT(*) FROM snapshots WHERE volume_id = :volume", id).front());
}

std::vector<model::Snapshot> Snapshots::transitional() {
  static const std::string kWhere = where_status_in(model::transitional_snapshot_statuses());
  return select<model::Snapshot>(db_, kWhere);
}

Usage Snapshots::usage(const Scope& scope, const std::optional<VolumeTypeId>& type) {
  using Int = std::int64_t;
  if (scope && type) {
    return usage_of(query<Int, Int>(db_,
                                    "SELECT COUNT(*), COALESCE(SUM(s.size_gib), 0) FROM volumes v JOIN snapshots s ON "
                                    "s.volume_id = v.id WHERE v.volume_type_id = :type AND v.project_id = :project",
                                    *type, *scope));
  }
  constexpr std::string_view kSum = "SELECT COUNT(*), COALESCE(SUM(size_gib), 0) FROM snapshots";
  if (scope) return usage_of(query<Int, Int>(db_, std::string(kSum) + " WHERE project_id = :project", *scope));
  return usage_of(query<Int, Int>(db_, kSum));
}

std::map<ProjectId, Usage> Snapshots::usage_by_project() {
  std::map<ProjectId, Usage> out;
  add_usage(db_, "SELECT project_id, COUNT(*), SUM(size_gib) FROM snapshots GROUP BY project_id", out);
  return out;
}

std::vector<model::Metadata> Snapshots::metadata(const Scope& scope) {
  return pairs_of(db_, "snapshots", "metadata", scope);
}

std::vector<model::Metadata> Snapshots::tags(const Scope& scope) {
  return pairs_of(db_, "snapshots", "tags", scope);
}

void Attachments::insert(const model::Attachment& attachment) {
  touch(db_, attachment.volume_id);
  store::insert(db_, attachment);
}

void Attachments::update(const model::Attachment& attachment) {
  touch(db_, attachment.volume_id);
  store::update(db_, attachment);
}

void Attachments::remove(const AttachmentId& id) {
  touch_volume_of<model::Attachment>(db_, id);
  run(db_, "DELETE FROM attachments WHERE id = :id", id);
}

std::optional<model::Attachment> Attachments::find(const Scope& scope, const AttachmentId& id) {
  return find_scoped<model::Attachment>(db_, scope, id);
}

model::Attachment Attachments::get(const Scope& scope, const AttachmentId& id) {
  std::optional<model::Attachment> attachment = find(scope, id);
  if (!attachment) {
    throw Error(ErrorCode::NotFound,
                "Volume attachment could not be found with filter: attachment_id = " + id.str() + ".");
  }
  return std::move(*attachment);
}

model::Page<model::Attachment> Attachments::list(const model::PageQuery& query) {
  return select_page<model::Attachment>(db_, query);
}

std::vector<model::Attachment> Attachments::of_volume(const VolumeId& id) {
  return select<model::Attachment>(db_, "WHERE volume_id = :volume AND snapshot_id IS NULL ORDER BY created_at, id",
                                   id);
}

std::vector<model::Attachment> Attachments::of_snapshot(const SnapshotId& id) {
  return select<model::Attachment>(db_, "WHERE snapshot_id = :snapshot ORDER BY created_at, id", id);
}

std::map<VolumeId, std::vector<model::Attachment>> Attachments::of_volumes(const std::vector<model::Volume>& volumes) {
  std::map<VolumeId, std::vector<model::Attachment>> out;
  std::string marks;
  std::vector<Value> in;
  for (const model::Volume& volume : volumes) {
    using enum model::VolumeStatus;
    // These never have an attachment: most of a page needs no look.
    if (volume.status == Available || volume.status == Creating || volume.status == Error) continue;
    in.push_back(Codec<VolumeId>::encode(volume.id));
    marks += (marks.empty() ? ":p" : ", :p") + std::to_string(in.size());
  }
  if (in.empty()) return out;
  db_.query("SELECT " + column_list<model::Attachment>() + " FROM attachments WHERE volume_id IN (" + marks +
                ") AND snapshot_id IS NULL ORDER BY created_at, id",
            in, column_types<model::Attachment>(), [&](const Row& row) {
              auto attachment = decode_row<model::Attachment>(row);
              out[attachment.volume_id].push_back(std::move(attachment));
            });
  return out;
}

std::vector<model::Attachment> Attachments::exported() {
  return select<model::Attachment>(db_, "WHERE connection IS NOT NULL ORDER BY volume_id, created_at, id");
}

void VolumeTypes::insert(const model::VolumeType& type) {
  store::insert(db_, type);
}

void VolumeTypes::update(const model::VolumeType& type) {
  store::update(db_, type);
}

void VolumeTypes::remove(const VolumeTypeId& id) {
  run(db_, "DELETE FROM volume_types WHERE id = :id", id);
}

std::vector<model::VolumeType> VolumeTypes::all() {
  return select<model::VolumeType>(db_, "ORDER BY created_at DESC, id DESC");
}

std::optional<model::VolumeType> VolumeTypes::find(const VolumeTypeId& id) {
  return select_one<model::VolumeType>(db_, "WHERE id = :id", id);
}

std::optional<model::VolumeType> VolumeTypes::find_by_name(const std::string& name) {
  return select_one<model::VolumeType>(db_, "WHERE name = :name", name);
}

bool VolumeTypes::in_use(const VolumeTypeId& id) {
  return !query<std::int64_t>(db_, "SELECT 1 FROM volumes WHERE volume_type_id = :type LIMIT 1", id).empty();
}

bool VolumeTypes::has_access(const VolumeTypeId& id, const ProjectId& project) {
  return !query<std::int64_t>(db_,
                              "SELECT 1 FROM volume_type_access WHERE volume_type_id = :type AND project_id = :project",
                              id, project)
              .empty();
}

std::vector<ProjectId> VolumeTypes::projects_with_access(const VolumeTypeId& id) {
  std::vector<ProjectId> out;
  auto rows = query<ProjectId>(
      db_, "SELECT project_id FROM volume_type_access WHERE volume_type_id = :type ORDER BY project_id", id);
  for (auto& [project] : rows) out.push_back(std::move(project));
  return out;
}

void VolumeTypes::grant(const VolumeTypeId& id, const ProjectId& project) {
  run(db_, "INSERT INTO volume_type_access (volume_type_id, project_id) VALUES (:type, :project)", id, project);
}

bool VolumeTypes::revoke(const VolumeTypeId& id, const ProjectId& project) {
  return run(db_, "DELETE FROM volume_type_access WHERE volume_type_id = :type AND project_id = :project", id,
             project) > 0;
}

void Damages::put(const model::Damage& damage) {
  touch(db_, damage.volume_id);
  if (!update(db_, damage)) insert(db_, damage);
}

bool Damages::remove(const std::string& id) {
  return run(db_, "DELETE FROM damages WHERE id = :id", id) > 0;
}

std::optional<model::Damage> Damages::find(const std::string& id) {
  return select_one<model::Damage>(db_, "WHERE id = :id", id);
}

void Damages::forget_those_without_rows() {
  run(db_, "DELETE FROM damages WHERE id NOT IN (SELECT id FROM volumes) AND id NOT IN (SELECT id FROM snapshots)");
}

std::vector<VolumeId> Damages::volumes() {
  std::vector<VolumeId> out;
  for (const auto& [id] : query<VolumeId>(db_, "SELECT id FROM damages WHERE id = volume_id")) out.push_back(id);
  return out;
}

model::ServiceState ServiceStates::get(const std::string& id) {
  auto found = select_one<model::ServiceState>(db_, "WHERE id = :id", id);
  return found ? *found : model::ServiceState{id, false, {}, false};
}

void ServiceStates::set(const model::ServiceState& state) {
  if (!update(db_, state)) insert(db_, state);
}

void Tasks::update(const model::Task& task) {
  store::update(db_, task);
}

void Tasks::insert(const model::Task& task) {
  store::insert(db_, task);
  db_.touched().begun.push_back(task);
}

std::vector<model::Task> Tasks::live() {
  return select<model::Task>(db_, "WHERE state = 'live' ORDER BY created_at, id");
}

std::vector<model::Task> Tasks::to_undo() {
  return select<model::Task>(db_, "WHERE undo_left = 1 ORDER BY created_at, id");
}

std::vector<model::Task> Tasks::to_undo(const VolumeId& volume) {
  return select<model::Task>(db_, "WHERE undo_left = 1 AND volume_id = :volume", volume);
}

void Tasks::note_undone(const TaskId& id) {
  run(db_, "UPDATE tasks SET undo_left = 0 WHERE id = :id", id);
}

std::vector<model::Task> Tasks::live_with(model::TaskKind kind, const model::Payload& payload) {
  return select<model::Task>(db_, "WHERE state = 'live' AND kind = :kind AND payload = :payload", kind, payload);
}

std::optional<model::Task> Tasks::find(const Scope& scope, const TaskId& id) {
  return find_scoped<model::Task>(db_, scope, id);
}

std::vector<model::Task> Tasks::of_batch(const Scope& scope, const JobId& batch) {
  std::vector<model::Task> tasks = select<model::Task>(db_, "WHERE batch_id = :batch ORDER BY created_at, id", batch);
  if (scope) std::erase_if(tasks, [&](const model::Task& task) { return task.project_id != *scope; });
  return tasks;
}

std::vector<model::Task> Tasks::live_of(const VolumeId& volume) {
  return select<model::Task>(db_, "WHERE state = 'live' AND volume_id = :volume ORDER BY created_at, id", volume);
}

std::vector<model::Task> Tasks::failed_of(const VolumeId& volume) {
  return select<model::Task>(
      db_, "WHERE state = 'failed' AND volume_id = :volume ORDER BY ended_at DESC, id DESC LIMIT 100", volume);
}

bool Tasks::works_on(const VolumeId& id) {
  return !query<std::int64_t>(db_, "SELECT 1 FROM tasks WHERE state = 'live' AND volume_id = :volume LIMIT 1", id)
              .empty();
}

bool Tasks::works_on(const SnapshotId& id) {
  return !query<std::int64_t>(db_, "SELECT 1 FROM tasks WHERE state = 'live' AND snapshot_id = :snapshot LIMIT 1", id)
              .empty();
}

bool Tasks::snapshot_is_source(const SnapshotId& id) {
  return !query<std::int64_t>(db_,
                              "SELECT 1 FROM tasks WHERE state = 'live' AND kind = 'volume.create' AND snapshot_id = "
                              ":snapshot LIMIT 1",
                              id)
              .empty();
}

bool Tasks::volume_is_source(const VolumeId& id) {
  return !query<std::int64_t>(
              db_, "SELECT 1 FROM tasks WHERE state = 'live' AND kind = 'volume.create' AND payload = :volume LIMIT 1",
              model::Payload(id))
              .empty();
}

void Tasks::forget_ended_before(Timestamp time) {
  run(db_, "DELETE FROM tasks WHERE state <> 'live' AND ended_at < :time", time);
}

void Transfers::insert(const model::Transfer& transfer) {
  store::insert(db_, transfer);
}

void Transfers::remove(const TransferId& id) {
  run(db_, "DELETE FROM transfers WHERE id = :id", id);
}

void Transfers::remove_of_volume(const VolumeId& volume) {
  run(db_, "DELETE FROM transfers WHERE volume_id = :id", volume);
}

model::Transfer Transfers::get(const Scope& scope, const TransferId& id) {
  std::optional<model::Transfer> transfer = find_scoped<model::Transfer>(db_, scope, id);
  if (!transfer) not_found("Transfer", id.str());
  return std::move(*transfer);
}

model::Page<model::Transfer> Transfers::list(const model::PageQuery& query) {
  return select_page<model::Transfer>(db_, query);
}

void Messages::insert(const model::Message& message) {
  store::insert(db_, message);
}

void Messages::remove(const MessageId& id) {
  run(db_, "DELETE FROM messages WHERE id = :id", id);
}

model::Message Messages::get(const Scope& scope, const MessageId& id) {
  std::optional<model::Message> message = find_scoped<model::Message>(db_, scope, id);
  if (!message) not_found("Message", id.str());
  return std::move(*message);
}

model::Page<model::Message> Messages::list(const model::PageQuery& query) {
  return select_page<model::Message>(db_, query);
}

std::vector<model::Message> Messages::about(const std::string& resource) {
  return select<model::Message>(db_, "WHERE resource_id = :resource ORDER BY created_at DESC, id DESC LIMIT 100",
                                resource);
}

void Messages::forget_expired_before(Timestamp time) {
  run(db_, "DELETE FROM messages WHERE expires_at < :time", time);
}

std::map<std::string, std::int64_t> Quotas::overrides(const ProjectId& project) {
  std::map<std::string, std::int64_t> out;
  auto rows = query<std::string, std::int64_t>(
      db_, "SELECT resource, hard_limit FROM quotas WHERE project_id = :project", project);
  for (auto& [resource, limit] : rows) out.emplace(std::move(resource), limit);
  return out;
}

void Quotas::set(const ProjectId& project, const std::string& resource, std::int64_t limit) {
  run(db_,
      "INSERT INTO quotas (project_id, resource, hard_limit) VALUES (:project, :resource, :limit) "
      "ON CONFLICT (project_id, resource) DO UPDATE SET hard_limit = excluded.hard_limit",
      project, resource, limit);
}

void Quotas::clear(const ProjectId& project) {
  run(db_, "DELETE FROM quotas WHERE project_id = :project", project);
}

}  // namespace varve::store
