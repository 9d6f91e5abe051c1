#include "store/backup_tables.h"

#include "store/find.h"
#include "store/page_select.h"

namespace varve::store {

void Backups::insert(const model::Backup& backup) {
  store::insert(db_, backup);
}

void Backups::update(const model::Backup& backup) {
  store::update(db_, backup);
}

void Backups::remove(const BackupId& id) {
  run(db_, "DELETE FROM backups WHERE id = :id", id);
}

std::optional<model::Backup> Backups::find(const Scope& scope, const BackupId& id) {
  return find_scoped<model::Backup>(db_, scope, id);
}

model::Backup Backups::get(const Scope& scope, const BackupId& id) {
  std::optional<model::Backup> backup = find(scope, id);
  if (!backup) not_found("Backup", id.str());
  return std::move(*backup);
}

model::Page<model::Backup> Backups::list(const model::PageQuery& query) {
  return select_page<model::Backup>(db_, query);
}

std::optional<model::Backup> Backups::latest(const ProjectId& project, const VolumeId& volume) {
  return select_one<model::Backup>(db_,
                                   "WHERE volume_id = :volume AND project_id = :project AND status = 'available' "
                                   "ORDER BY data_timestamp DESC, created_at DESC, id DESC LIMIT 1",
                                   volume, project);
}

std::vector<model::Backup> Backups::transitional() {
  return select<model::Backup>(db_, "WHERE status IN ('creating', 'restoring', 'deleting')");
}

bool Backups::has_dependents(const BackupId& id) {
  return !query<std::int64_t>(db_, "SELECT 1 FROM backups WHERE parent_id = :id LIMIT 1", id).empty();
}

std::set<std::string> Backups::parents(const Scope& scope) {
  std::set<std::string> out;
  const std::string sql = "SELECT DISTINCT parent_id FROM backups WHERE parent_id IS NOT NULL";
  auto rows =
      scope ? query<std::string>(db_, sql + " AND project_id = :project", *scope) : query<std::string>(db_, sql);
  for (auto& [id] : rows) out.insert(std::move(id));
  return out;
}

bool Backups::shares_archive(const model::Backup& backup) {
  return !query<std::int64_t>(db_, "SELECT 1 FROM backups WHERE archive = :archive AND id <> :id LIMIT 1",
                              backup.archive, backup.id)
              .empty();
}

bool Backups::another_uses_key(const KeyId& key, const BackupId& except) {
  return !query<std::int64_t>(db_, "SELECT 1 FROM backups WHERE encryption_key_id = :key AND id <> :id LIMIT 1", key,
                              except)
              .empty();
}

Usage Backups::usage(const Scope& scope) {
  using Int = std::int64_t;
  const std::string sum = "SELECT COUNT(*), COALESCE(SUM(size_gib), 0) FROM backups";
  if (scope) return usage_of(query<Int, Int>(db_, sum + " WHERE project_id = :project", *scope));
  return usage_of(query<Int, Int>(db_, sum));
}

}  // namespace varve::store
