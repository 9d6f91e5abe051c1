// The table of backups; the same rules as store/tables.h.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "model/backup.h"
#include "store/tables.h"

namespace varve::store {

template <>
struct Codec<model::BackupStatus>
    : StatusCodec<model::BackupStatus, model::parse_backup_status, model::BackupStatus::Error> {};

template <>
struct Table<model::Backup> {
  static constexpr std::string_view name = "backups";
  static void columns(auto& b, auto&& f) {
    f("id", b.id), f("project_id", b.project_id), f("user_id", b.user_id), f("volume_id", b.volume_id);
    f("snapshot_id", b.snapshot_id), f("parent_id", b.parent_id), f("name", b.name), f("description", b.description);
    f("status", b.status), f("availability_zone", b.availability_zone), f("container", b.container);
    f("archive", b.archive), f("service", b.service), f("size_gib", b.size_gib), f("object_count", b.object_count);
    f("fail_reason", b.fail_reason), f("encryption_key_id", b.encryption_key_id), f("metadata", b.metadata);
    f("data_timestamp", b.data_timestamp), f("created_at", b.created_at), f("updated_at", b.updated_at);
  }
};

class Backups {
 public:
  explicit Backups(Connection& db) : db_(db) {}
  void insert(const model::Backup& backup) { store::insert(db_, backup); }
  void update(const model::Backup& backup) { store::update(db_, backup); }
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
  bool uses_key(const KeyId& key);
  Usage usage(const Scope& scope);

 private:
  Connection& db_;
};

}  // namespace varve::store
