// The tables of the block-storage side. Each class owns the SQL of its table; objects are cheap and live as long as
// their transaction. `scope`: the project that the caller may see; nullopt sees all (administrators, background tasks).
// find() gives nullopt where get() throws Error(NotFound) with the text that Cinder's clients expect.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/page.h"
#include "model/resources.h"

namespace varve::store {

class Connection;

using Scope = std::optional<ProjectId>;

// Rows and gigabytes of a project, or of one volume type in it.
struct Usage {
  std::int64_t count = 0;
  std::int64_t gib = 0;
};

class Volumes {
 public:
  explicit Volumes(Connection& db) : db_(db) {}
  void insert(const model::Volume& volume);
  void update(const model::Volume& volume);
  void remove(const VolumeId& id);
  std::optional<model::Volume> find(const Scope& scope, const VolumeId& id);
  model::Volume get(const Scope& scope, const VolumeId& id);
  model::Page<model::Volume> list(const model::PageQuery& query);
  std::vector<VolumeId> ids_after(const VolumeId& id, std::int64_t limit);  // ascending; "": from the first
  std::map<ProjectId, Usage> usage_by_project();                            // of those that have a volume
  std::vector<model::Volume> transitional();                                // that only a live task may have
  // What live extensions and retypes will add is in use already.
  Usage usage(const Scope& scope, const std::optional<VolumeTypeId>& type);
  std::int64_t usage_of_pool(const std::string& pool);  // GiB
  bool another_uses_key(const KeyId& key, const VolumeId& except);
  std::vector<model::Metadata> metadata(const Scope& scope);
  std::vector<model::Metadata> tags(const Scope& scope);

 private:
  Connection& db_;
};

class Snapshots {
 public:
  explicit Snapshots(Connection& db) : db_(db) {}
  void insert(const model::Snapshot& snapshot);
  void update(const model::Snapshot& snapshot);
  void remove(const SnapshotId& id);
  std::optional<model::Snapshot> find(const Scope& scope, const SnapshotId& id);
  model::Snapshot get(const Scope& scope, const SnapshotId& id);
  model::Page<model::Snapshot> list(const model::PageQuery& query);
  std::vector<model::Snapshot> of_volume(const VolumeId& id);  // newest first
  std::vector<std::pair<SnapshotId, VolumeId>> ids_after(const SnapshotId& last, std::int64_t count);
  std::int64_t count_of_volume(const VolumeId& id);
  std::vector<model::Snapshot> transitional();
  std::map<ProjectId, Usage> usage_by_project();
  Usage usage(const Scope& scope, const std::optional<VolumeTypeId>& type);
  std::vector<model::Metadata> metadata(const Scope& scope);
  std::vector<model::Metadata> tags(const Scope& scope);

 private:
  Connection& db_;
};

class Attachments {
 public:
  explicit Attachments(Connection& db) : db_(db) {}
  void insert(const model::Attachment& attachment);
  void update(const model::Attachment& attachment);
  void remove(const AttachmentId& id);
  std::optional<model::Attachment> find(const Scope& scope, const AttachmentId& id);
  model::Attachment get(const Scope& scope, const AttachmentId& id);
  model::Page<model::Attachment> list(const model::PageQuery& query);
  std::vector<model::Attachment> of_volume(const VolumeId& id);  // oldest first; not those of its snapshots
  std::vector<model::Attachment> of_snapshot(const SnapshotId& id);
  // Of every volume of a page of volumes, in one statement.
  std::map<VolumeId, std::vector<model::Attachment>> of_volumes(const std::vector<model::Volume>& volumes);
  std::vector<model::Attachment> exported();  // those whose bytes must be served

 private:
  Connection& db_;
};

class VolumeTypes {
 public:
  explicit VolumeTypes(Connection& db) : db_(db) {}
  void insert(const model::VolumeType& type);
  void update(const model::VolumeType& type);
  void remove(const VolumeTypeId& id);
  std::vector<model::VolumeType> all();
  std::optional<model::VolumeType> find(const VolumeTypeId& id);
  std::optional<model::VolumeType> find_by_name(const std::string& name);
  bool in_use(const VolumeTypeId& id);
  // Private types: which projects may use them.
  bool has_access(const VolumeTypeId& id, const ProjectId& project);
  std::vector<ProjectId> projects_with_access(const VolumeTypeId& id);
  void grant(const VolumeTypeId& id, const ProjectId& project);  // Error(Conflict) if it is there
  bool revoke(const VolumeTypeId& id, const ProjectId& project);

 private:
  Connection& db_;
};

class Tasks {
 public:
  explicit Tasks(Connection& db) : db_(db) {}
  // Who listens for commits (the task runner) runs it after the commit.
  void insert(const model::Task& task);
  void update(const model::Task& task);
  std::vector<model::Task> live();
  std::vector<model::Task> to_undo();  // that failed and left something
  std::vector<model::Task> to_undo(const VolumeId& volume);
  void note_undone(const TaskId& id);
  std::vector<model::Task> live_with(model::TaskKind kind, const model::Payload& payload);
  std::optional<model::Task> find(const Scope& scope, const TaskId& id);
  std::vector<model::Task> of_batch(const Scope& scope, const JobId& batch);  // oldest first
  std::vector<model::Task> live_of(const VolumeId& volume);                   // oldest first
  std::vector<model::Task> failed_of(const VolumeId& volume);                 // newest first; a hundred at most
  bool works_on(const VolumeId& id);                                          // a live task has this volume
  bool works_on(const SnapshotId& id);
  bool snapshot_is_source(const SnapshotId& id);  // a live task makes a volume from it
  bool volume_is_source(const VolumeId& id);
  void forget_ended_before(Timestamp time);

 private:
  Connection& db_;
};

class Damages {
 public:
  explicit Damages(Connection& db) : db_(db) {}
  void put(const model::Damage& damage);
  bool remove(const std::string& id);
  std::optional<model::Damage> find(const std::string& id);
  void forget_those_without_rows();
  std::vector<VolumeId> volumes();  // that are damaged themselves, not a snapshot of theirs alone

 private:
  Connection& db_;
};

class ServiceStates {
 public:
  explicit ServiceStates(Connection& db) : db_(db) {}
  model::ServiceState get(const std::string& id);
  void set(const model::ServiceState& state);

 private:
  Connection& db_;
};

class Transfers {
 public:
  explicit Transfers(Connection& db) : db_(db) {}
  void insert(const model::Transfer& transfer);
  void remove(const TransferId& id);
  void remove_of_volume(const VolumeId& volume);
  model::Transfer get(const Scope& scope, const TransferId& id);
  model::Page<model::Transfer> list(const model::PageQuery& query);

 private:
  Connection& db_;
};

class Messages {
 public:
  explicit Messages(Connection& db) : db_(db) {}
  void insert(const model::Message& message);
  void remove(const MessageId& id);
  model::Message get(const Scope& scope, const MessageId& id);
  model::Page<model::Message> list(const model::PageQuery& query);
  std::vector<model::Message> about(const std::string& resource);  // newest first; a hundred at most
  void forget_expired_before(Timestamp time);

 private:
  Connection& db_;
};

class Quotas {
 public:
  explicit Quotas(Connection& db) : db_(db) {}
  // Overrides only: what is not in the map has its default.
  std::map<std::string, std::int64_t> overrides(const ProjectId& project);
  void set(const ProjectId& project, const std::string& resource, std::int64_t limit);
  void clear(const ProjectId& project);

 private:
  Connection& db_;
};

}  // namespace varve::store
