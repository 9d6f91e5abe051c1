// The table of backups; the same rules as store/tables.h.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "model/backup.h"
#include "store/tables.h"

namespace varve::store {

class Backups {
 public:
  explicit Backups(Connection& db) : db_(db) {}
  void insert(const model::Backup& backup);
  void update(const model::Backup& backup);
  void remove(const BackupId& id);
  std::optional<model::Backup> find(const Scope& scope, const BackupId& id);
  model::Backup get(const Scope& scope, const BackupId& id);
  model::Page<model::Backup> list(const model::PageQuery& query);
  // The latest that an incremental backup of the volume can stand on.
  std::optional<model::Backup> latest(const ProjectId& project, const VolumeId& volume);
  std::vector<model::Backup> transitional();
  bool has_dependents(const BackupId& id);
  std::set<std::string> parents(const Scope& scope);  // ids that some backup stands on
  bool shares_archive(const model::Backup& backup);   // another record has the same objects
  bool another_uses_key(const KeyId& key, const BackupId& except);
  Usage usage(const Scope& scope);

 private:
  Connection& db_;
};

}  // namespace varve::store
