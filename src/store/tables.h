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
#include "store/mapping.h"
#include "store/sql.h"

namespace varve::store {

using Scope = std::optional<ProjectId>;

template <>
struct Table<model::Volume> {
  static constexpr std::string_view name = "volumes";
  static void columns(auto& v, auto&& f) {
    f("id", v.id), f("project_id", v.project_id), f("user_id", v.user_id), f("name", v.name);
    f("description", v.description), f("status", v.status), f("size_gib", v.size_gib);
    f("volume_type_id", v.volume_type_id), f("availability_zone", v.availability_zone), f("bootable", v.bootable);
    f("multiattach", v.multiattach), f("read_only", v.read_only), f("read_only_set", v.read_only_set);
    f("snapshot_id", v.snapshot_id);
    f("source_volume_id", v.source_volume_id), f("metadata", v.metadata), f("tags", v.tags);
    f("pool", v.pool), f("migration_status", v.migration_status), f("group_id", v.group_id);
    f("encryption_key_id", v.encryption_key_id), f("image_metadata", v.image_metadata);
    f("dedicated_storage_id", v.dedicated_storage_id), f("enterprise_project_id", v.enterprise_project_id);
    f("created_at", v.created_at), f("updated_at", v.updated_at);
  }
};

template <>
struct Table<model::Snapshot> {
  static constexpr std::string_view name = "snapshots";
  static void columns(auto& s, auto&& f) {
    f("id", s.id), f("project_id", s.project_id), f("user_id", s.user_id), f("volume_id", s.volume_id);
    f("name", s.name), f("description", s.description), f("status", s.status), f("size_gib", s.size_gib);
    f("metadata", s.metadata), f("tags", s.tags), f("group_snapshot_id", s.group_snapshot_id),
        f("progress", s.progress), f("created_at", s.created_at), f("updated_at", s.updated_at);
  }
};

template <>
struct Table<model::Attachment> {
  static constexpr std::string_view name = "attachments";
  static void columns(auto& a, auto&& f) {
    f("id", a.id), f("project_id", a.project_id), f("user_id", a.user_id), f("volume_id", a.volume_id);
    f("snapshot_id", a.snapshot_id), f("instance_id", a.instance_id), f("host_name", a.host_name),
        f("mountpoint", a.mountpoint), f("mode", a.mode);
    f("status", a.status), f("connector", a.connector), f("connection", a.connection), f("created_at", a.created_at);
    f("updated_at", a.updated_at), f("attached_at", a.attached_at);
  }
};

template <>
struct Table<model::VolumeType> {
  static constexpr std::string_view name = "volume_types";
  static void columns(auto& t, auto&& f) {
    f("id", t.id), f("name", t.name), f("description", t.description), f("is_public", t.is_public);
    f("extra_specs", t.extra_specs), f("iops_base", t.qos.iops_base), f("iops_per_gib", t.qos.iops_per_gib);
    f("iops_max", t.qos.iops_max), f("iops_burst", t.qos.iops_burst), f("mibps_base", t.qos.mibps_base);
    f("mibps_per_100_gib", t.qos.mibps_per_100_gib), f("mibps_max", t.qos.mibps_max);
    f("qos_spec_id", t.qos_spec_id);
    f("created_at", t.created_at), f("updated_at", t.updated_at);
  }
};

template <>
struct Table<model::Task> {
  static constexpr std::string_view name = "tasks";
  static void columns(auto& t, auto&& f) {
    f("id", t.id), f("kind", t.kind), f("state", t.state), f("project_id", t.project_id), f("volume_id", t.volume_id);
    f("snapshot_id", t.snapshot_id), f("attachment_id", t.attachment_id), f("size_gib", t.size_gib);
    f("resume_status", t.resume_status), f("payload", t.payload), f("request_id", t.request_id);
    f("attempts", t.attempts), f("created_at", t.created_at);
    f("ended_at", t.ended_at), f("error", t.error), f("error_code", t.error_code), f("batch_id", t.batch_id);
    f("user_id", t.user_id), f("undo_left", t.undo_left);
  }
};

template <>
struct Table<model::ServiceState> {
  static constexpr std::string_view name = "service_states";
  static void columns(auto& s, auto&& f) {
    f("id", s.id), f("disabled", s.disabled), f("disabled_reason", s.disabled_reason), f("frozen", s.frozen);
  }
};

template <>
struct Table<model::Transfer> {
  static constexpr std::string_view name = "transfers";
  static void columns(auto& t, auto&& f) {
    f("id", t.id), f("project_id", t.project_id), f("volume_id", t.volume_id), f("name", t.name);
    f("key_hash", t.key_hash), f("no_snapshots", t.no_snapshots), f("created_at", t.created_at);
  }
};

template <>
struct Table<model::Message> {
  static constexpr std::string_view name = "messages";
  static void columns(auto& m, auto&& f) {
    f("id", m.id), f("project_id", m.project_id), f("event_id", m.event_id), f("level", m.level), f("text", m.text);
    f("resource_type", m.resource_type), f("resource_id", m.resource_id), f("request_id", m.request_id);
    f("created_at", m.created_at), f("expires_at", m.expires_at);
  }
};

template <>
struct Table<model::Damage> {
  static constexpr std::string_view name = "damages";
  static void columns(auto& d, auto&& f) {
    f("id", d.id), f("volume_id", d.volume_id), f("reason", d.reason), f("found_at", d.found_at);
  }
};

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
  std::vector<ProjectId> projects();                                        // that have a volume
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
  void insert(const model::VolumeType& type) { store::insert(db_, type); }
  void update(const model::VolumeType& type) { store::update(db_, type); }
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
  void update(const model::Task& task) { store::update(db_, task); }
  std::vector<model::Task> live();
  std::vector<model::Task> to_undo();  // that failed and left something
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
  void insert(const model::Transfer& transfer) { store::insert(db_, transfer); }
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
  void insert(const model::Message& message) { store::insert(db_, message); }
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
