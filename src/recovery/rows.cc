#include "recovery/rows.h"

#include <algorithm>
#include <boost/json.hpp>

#include "backends/qcow2/manifest.h"
#include "base/error.h"
#include "base/log.h"
#include "exports/nbd/connection.h"
#include "services/states.h"
#include "store/identity_tables.h"
#include "store/plain_rows.h"

namespace varve::recovery {

namespace json = boost::json;
using model::AttachmentStatus;
using model::SnapshotStatus;
using model::VolumeStatus;
using services::text_in;
using services::VolumeDescription;

namespace {

constexpr char kDefaultDomain[] = "default";
constexpr char kHomeProject[] = "admin";
constexpr char kNotFound[] = "nothing of it was found";

// What a volume with bytes can be now that no task works on it. A deletion was promised: its owner finds it undone.
VolumeStatus at_rest(const std::string& text) {
  VolumeStatus status = model::parse_volume_status(text).value_or(VolumeStatus::Available);
  if (status == VolumeStatus::Deleting) return VolumeStatus::ErrorDeleting;
  if (status == VolumeStatus::RestoringBackup) return VolumeStatus::ErrorRestoring;  // a part of each
  if (status == VolumeStatus::Creating || status == VolumeStatus::Downloading) return VolumeStatus::Error;
  // The offer of a transfer is not described.
  if (model::is_transitional(status) || status == VolumeStatus::AwaitingTransfer) return VolumeStatus::Available;
  return status;
}

// What a task of varved's own serves, under its own id.
bool is_copied(const std::string& text) {
  std::optional<VolumeStatus> status = model::parse_volume_status(text);
  return status == VolumeStatus::RestoringBackup || status == VolumeStatus::Downloading ||
         status == VolumeStatus::BackingUp || status == VolumeStatus::Uploading;
}

// whole: all its objects are known to be there.
model::BackupStatus backup_at_rest(const std::string& text, bool whole) {
  using enum model::BackupStatus;
  model::BackupStatus status = model::parse_backup_status(text).value_or(Error);
  if (status == Deleting) return ErrorDeleting;
  if (status == Creating) return whole ? Available : Error;
  return status == Restoring ? Available : status;
}

// A helper goes when varved starts (services/reconciler.h).
SnapshotStatus snapshot_at_rest(const std::string& text, bool is_helper) {
  SnapshotStatus status = model::parse_snapshot_status(text).value_or(SnapshotStatus::Available);
  if (is_helper) return status == SnapshotStatus::Available ? SnapshotStatus::BackingUp : status;
  if (status == SnapshotStatus::Deleting) return SnapshotStatus::ErrorDeleting;
  return model::is_transitional(status) ? SnapshotStatus::Available : status;
}

// A row that breaks a reference is left out: better without it than without the others.
bool insert(store::Connection& db, const store::PlainTable& table, const json::object& row) {
  try {
    return table.insert(db, row);
  } catch (const Error& fault) {
    if (fault.code() != ErrorCode::Conflict) throw;
    log::warning("a described row does not fit", {{"error", fault.message()}});
    return false;
  }
}

// A description may have been damaged: a column that is no value of its kind makes its row unreadable.
template <class Read>
bool is_readable(const Read& read) {
  try {
    read();
    return true;
  } catch (const std::exception& fault) {
    log::warning("a described row cannot be read", {{"error", fault.what()}});
    return false;
  }
}

template <class Map, class Key>
auto find_in(const Map& map, const Key& key) {
  auto found = map.find(key);
  return found == map.end() ? nullptr : &found->second;
}

}  // namespace

bool follow_bytes(model::Volume& volume, const Bytes& bytes) {
  if (!bytes.readable) return false;
  bool moved = !bytes.pool.empty() && bytes.pool != (volume.pool.empty() ? qcow2::kDefaultPool : volume.pool);
  if (!moved && bytes.size_gib == volume.size_gib) return false;
  volume.size_gib = bytes.size_gib;
  if (moved) volume.pool = bytes.pool;
  return true;
}

void Rows::put_catalogue() {
  for (std::string_view name : store::catalogue_tables()) {
    const json::value* rows = remains_.catalogue.if_contains(name);
    if (rows == nullptr || !rows->is_array()) continue;
    store::PlainTable table(tx_.connection(), std::string(name));
    for (const json::value& value : rows->as_array()) {
      if (!value.is_object()) continue;
      json::object row = value.as_object();
      if (name == "users") row.emplace("password_hash", "");  // nobody can log in with it
      if (name == "backups") row["status"] = to_string(backup_at_rest(text_in(row, "status"), false));
      if (insert(tx_.connection(), table, row)) ++restored_.catalogue;
    }
  }
}

void Rows::put_volumes() {
  for (const LiveExport& one : remains_.exports) exported_.insert(one.source);
  put_lost_types();
  std::set<VolumeId> ids;
  for (const auto& [id, bytes] : remains_.bytes) ids.insert(id);
  for (const auto& [id, description] : remains_.descriptions) ids.insert(id);
  for (const VolumeId& id : ids) {
    put_volume(id, find_in(remains_.bytes, id), find_in(remains_.descriptions, id));
  }
  for (const LiveExport& one : remains_.exports) put_export(one);
}

// Volumes that were read out of a damaged database may have lost theirs.
void Rows::put_lost_types() {
  if (!whole_) return;
  auto lost = store::query<VolumeTypeId, VolumeId>(tx_.connection(),
                                                   "SELECT volume_type_id, MIN(id) FROM volumes WHERE volume_type_id "
                                                   "NOT IN (SELECT id FROM volume_types) GROUP BY 1");
  for (const auto& [type, volume] : lost) {
    const VolumeDescription* description = find_in(remains_.descriptions, volume);
    std::string name = description != nullptr ? description->type : std::string();
    // The rows have this id: a type of that name that has another one does not help them.
    if (tx_.volume_types().find_by_name(name)) name.clear();
    type_for(type.str(), name);
  }
}

// Of the catalogue, with a new database or not.
bool Rows::put_described_row(const std::string& table, const std::string& id) {
  const json::value* rows = remains_.catalogue.if_contains(table);
  if (rows == nullptr || !rows->is_array()) return false;
  for (const json::value& row : rows->as_array()) {
    if (!row.is_object() || text_in(row.as_object(), "id") != id) continue;
    return insert(tx_.connection(), store::PlainTable(tx_.connection(), table), row.as_object());
  }
  return false;
}

void Rows::put_backups() {
  for (const std::string& id : remains_.backups) {
    if (tx_.backups().find(std::nullopt, BackupId(id)) || !put_described_row("backups", id)) continue;
    bool is_twin = false;  // of a record that was imported: it may have been removed, and the objects stayed
    auto settle = [&] {
      model::Backup backup = tx_.backups().get(std::nullopt, BackupId(id));
      require_project(backup.project_id);
      is_twin = tx_.backups().shares_archive(backup);
      backup.status = backup_at_rest(std::string(to_string(backup.status)), true);
      tx_.backups().update(backup);
    };
    if (is_readable(settle) && !is_twin) {
      restored_.backups.push_back(id);
    } else {
      store::run(tx_.connection(), "DELETE FROM backups WHERE id = :id", id);
    }
  }
}

void Rows::put_volume(const VolumeId& id, const Bytes* bytes, const VolumeDescription* description) {
  if (std::optional<model::Volume> present = tx_.volumes().find(std::nullopt, id)) {
    if (bytes == nullptr) return;
    if (!tx_.tasks().works_on(id) && follow_bytes(*present, *bytes)) tx_.volumes().update(*present);
    put_snapshots(*present, bytes, description, true);
    if (!whole_) return;
    put_attachments(id, description);
    settle_status(id);
    return;
  }
  if (description != nullptr && description->given_up) {
    if (bytes == nullptr || !exported_.contains(id.str())) return;
    description = nullptr;
  }
  if (description != nullptr && !put_described(id, bytes, *description)) description = nullptr;
  if (description == nullptr) {
    if (bytes == nullptr || !bytes->readable) return;
    model::Volume volume;
    volume.id = id;
    volume.project_id = home_project();
    volume.volume_type_id = type_for("", settings_.default_volume_type);
    volume.availability_zone = settings_.availability_zones.front();
    volume.status = VolumeStatus::Available;
    volume.size_gib = bytes->size_gib;
    volume.pool = bytes->pool;
    if (!bytes->key.empty()) volume.encryption_key_id = KeyId(bytes->key);
    volume.created_at = now_;
    tx_.volumes().insert(volume);
    restored_.undescribed.push_back(id.str());
  }
  restored_.volumes.push_back(id.str());
  if (bytes == nullptr) restored_.without_bytes.push_back(id.str());
  put_damages(id, description);
  model::Volume made = tx_.volumes().get(std::nullopt, id);
  put_snapshots(made, bytes, description, false);
  put_attachments(id, description);
  settle_status(id);
}

// False: the description does not make a whole row.
bool Rows::put_described(const VolumeId& id, const Bytes* bytes, const VolumeDescription& description) {
  json::object row = description.volume;
  row["id"] = id.str();
  row["volume_type_id"] = type_for(text_in(row, "volume_type_id"), description.type).str();
  VolumeStatus status = at_rest(text_in(row, "status"));
  bool lost = bytes == nullptr && status != VolumeStatus::Error;
  row["status"] = to_string(lost && status == VolumeStatus::Available ? VolumeStatus::Error : status);
  if (bytes != nullptr && bytes->readable) {
    row["size_gib"] = bytes->size_gib;
    if (!bytes->key.empty()) row["encryption_key_id"] = bytes->key;
  }
  require_project(ProjectId(text_in(row, "project_id")));
  if (!insert(tx_.connection(), store::PlainTable(tx_.connection(), "volumes"), row)) return false;
  auto read = [&] { (void)tx_.volumes().get(std::nullopt, id); };
  if (!is_readable(read)) {
    store::run(tx_.connection(), "DELETE FROM volumes WHERE id = :id", id);
    return false;
  }
  if (lost) note_lost(id.str(), id);
  return true;
}

// It is what it was when its bytes are found again (services/damages.h).
void Rows::note_lost(const std::string& id, const VolumeId& volume) {
  tx_.damages().put({id, volume, kNotFound, now_});
}

// An error status that came of damage goes with it.
void Rows::put_damages(const VolumeId& id, const VolumeDescription* description) {
  if (description == nullptr) return;
  store::PlainTable table(tx_.connection(), "damages");
  for (const json::value& value : description->damages) {
    if (!value.is_object()) continue;
    json::object row = value.as_object();
    row["volume_id"] = id.str();
    insert(tx_.connection(), table, row);
  }
}

// Of a volume that a sound database knows only described snapshots with bytes: others were removed or given up.
void Rows::put_snapshots(const model::Volume& volume, const Bytes* bytes, const VolumeDescription* description,
                         bool row_was_there) {
  bool is_sound = row_was_there && !whole_;
  std::set<SnapshotId> described;
  store::PlainTable table(tx_.connection(), "snapshots");
  auto has_bytes = [&](const SnapshotId& id) {
    return bytes != nullptr && (!bytes->readable || bytes->snapshots.contains(id));
  };
  for (const json::value& value : description != nullptr ? description->snapshots : json::array()) {
    if (!value.is_object()) continue;
    json::object row = value.as_object();
    SnapshotId id(text_in(row, "id"));
    if (tx_.snapshots().find(std::nullopt, id) || (is_sound && !has_bytes(id))) continue;
    row["volume_id"] = volume.id.str();
    SnapshotStatus status = snapshot_at_rest(text_in(row, "status"), services::is_helper(id, text_in(row, "name")));
    bool lost = !has_bytes(id) && status == SnapshotStatus::Available;
    row["status"] = to_string(lost ? SnapshotStatus::Error : status);
    if (!insert(tx_.connection(), table, row)) continue;
    auto read = [&] { (void)tx_.snapshots().get(std::nullopt, id); };
    if (!is_readable(read)) {
      store::run(tx_.connection(), "DELETE FROM snapshots WHERE id = :id", id);
      continue;
    }
    if (lost) note_lost(id.str(), volume.id);
    described.insert(id);
    restored_.snapshots.push_back(id.str());
    if (!has_bytes(id)) restored_.without_bytes.push_back(id.str());
  }
  if (bytes == nullptr || is_sound) return;
  for (const auto& [id, size] : bytes->snapshots) {
    if (described.contains(id) || tx_.snapshots().find(std::nullopt, id)) continue;
    model::Snapshot snapshot;
    snapshot.id = id;
    snapshot.project_id = volume.project_id;
    snapshot.user_id = volume.user_id;
    snapshot.volume_id = volume.id;
    snapshot.status = SnapshotStatus::Available;
    snapshot.size_gib = size;
    snapshot.created_at = now_;
    tx_.snapshots().insert(snapshot);
    restored_.snapshots.push_back(id.str());
  }
}

namespace {

// Versions before 13 of the schema kept an attachment's URI alone.
void take_uri(json::object& row) {
  if (row.contains("connection")) return;
  AttachmentId id(text_in(row, "id"));
  if (auto connection = nbd::connection_of(text_in(row, "export_uri"), id)) {
    row["connection"] = store::encode_connection(*connection);
  }
}

}  // namespace

void Rows::put_attachments(const VolumeId& id, const VolumeDescription* description) {
  if (description == nullptr) return;
  store::PlainTable table(tx_.connection(), "attachments");
  for (const json::value& value : description->attachments) {
    if (!value.is_object()) continue;
    json::object row = value.as_object();
    row["volume_id"] = id.str();
    auto status = model::parse_attachment_status(text_in(row, "status"));
    if (!status || !model::parse_attach_mode(text_in(row, "mode"))) continue;
    if (*status == AttachmentStatus::Detaching) row["status"] = to_string(AttachmentStatus::Attached);
    take_uri(row);
    if (!insert(tx_.connection(), table, row)) continue;
    AttachmentId made(text_in(row, "id"));
    auto read = [&] { (void)tx_.attachments().get(std::nullopt, made); };
    if (is_readable(read)) {
      restored_.attachments.push_back(made.str());
    } else {
      tx_.attachments().remove(made);
    }
  }
}

// Work of varved's own is served under its task's id, and ends with the task.
bool Rows::is_task(const AttachmentId& name) {
  return tx_.tasks().find(std::nullopt, TaskId(name.str())).has_value();
}

// Its task is lost, but the description tells of the work.
bool Rows::is_of_task(const LiveExport& one) {
  VolumeId volume(one.source);
  if (one.source.starts_with(model::kSnapshotPrefix)) {
    SnapshotId id(one.source.substr(model::kSnapshotPrefix.size()));
    std::optional<model::Snapshot> snapshot = tx_.snapshots().find(std::nullopt, id);
    if (!snapshot) return false;
    if (services::is_helper(id, snapshot->name.value_or(""))) return true;
    volume = snapshot->volume_id;
  }
  const VolumeDescription* description = find_in(remains_.descriptions, volume);
  return description != nullptr && is_copied(text_in(description->volume, "status"));
}

// A volume whose storage daemon does not tell whom it serves is somebody's until it is detached. A sound database knows
// better: the daemon may just not have ended yet.
void Rows::put_silent(const VolumeId& id) {
  if (!whole_) return;
  std::optional<model::Volume> volume = tx_.volumes().find(std::nullopt, id);
  if (!volume || !tx_.attachments().of_volume(id).empty() || tx_.tasks().works_on(id)) return;
  model::Attachment attachment;
  attachment.id = AttachmentId(id.str());  // its own is not known
  attachment.project_id = volume->project_id;
  attachment.user_id = volume->user_id;
  attachment.volume_id = id;
  attachment.status = AttachmentStatus::Attached;
  attachment.created_at = now_;
  attachment.attached_at = now_;
  tx_.attachments().insert(attachment);
  restored_.attachments.push_back(attachment.id.str());
  settle_status(id);
}

// Whoever made the attachment is not known when no row and no description has it; it is protected all the same.
void Rows::put_export(const LiveExport& one) {
  if (one.attachment.empty()) return put_silent(VolumeId(one.source));
  if (auto known = tx_.attachments().find(std::nullopt, one.attachment)) {
    if (known->connection) return;
    known->connection = one.connection;
    tx_.attachments().update(*known);
    return;
  }
  if (is_task(one.attachment) || is_of_task(one)) return;
  model::Attachment attachment;
  VolumeId volume(one.source);
  if (one.source.starts_with(model::kSnapshotPrefix)) {
    SnapshotId id(one.source.substr(model::kSnapshotPrefix.size()));
    std::optional<model::Snapshot> snapshot = tx_.snapshots().find(std::nullopt, id);
    if (!snapshot) return;
    volume = snapshot->volume_id;
    attachment.snapshot_id = id;
    attachment.mode = model::AttachMode::ReadOnly;
  }
  std::optional<model::Volume> row = tx_.volumes().find(std::nullopt, volume);
  if (!row) return;
  attachment.id = one.attachment;
  attachment.project_id = row->project_id;
  attachment.user_id = row->user_id;
  attachment.volume_id = volume;
  attachment.status = AttachmentStatus::Attached;
  attachment.connection = one.connection;
  attachment.created_at = now_;
  attachment.attached_at = now_;
  tx_.attachments().insert(attachment);
  restored_.attachments.push_back(one.attachment.str());
  settle_status(volume);
}

void Rows::settle_status(const VolumeId& id) {
  model::Volume volume = tx_.volumes().get(std::nullopt, id);
  constexpr VolumeStatus kOfAttachments[] = {VolumeStatus::Available, VolumeStatus::Reserved, VolumeStatus::Attaching,
                                             VolumeStatus::InUse, VolumeStatus::Detaching};
  if (std::ranges::find(kOfAttachments, volume.status) == std::end(kOfAttachments)) return;
  std::vector<model::Attachment> present = tx_.attachments().of_volume(id);
  VolumeStatus status = present.empty() ? VolumeStatus::Available : VolumeStatus::Reserved;
  for (const model::Attachment& one : present) {
    if (one.status == AttachmentStatus::Attached) status = VolumeStatus::InUse;
    if (one.status == AttachmentStatus::Attaching && status != VolumeStatus::InUse) status = VolumeStatus::Attaching;
  }
  if (volume.status == status) return;
  volume.status = status;
  tx_.volumes().update(volume);
}

// Of what has no owner any more. Another identity's projects are not known here: administrators find it.
ProjectId Rows::home_project() {
  if (!own_identity_) return ProjectId();
  store::Identities identities = tx_.identities();
  if (auto project = identities.find_by_name<model::Project>(kDefaultDomain, kHomeProject)) return project->id;
  ProjectId id("00000000000000000000000000000001");
  if (!identities.find<model::Domain>(kDefaultDomain)) {
    identities.insert(model::Domain{kDefaultDomain, "Default", "The default domain", true});
  }
  identities.insert(model::Project{id, kDefaultDomain, kHomeProject, "The first project", true});
  restored_.projects.push_back(id.str());
  return id;
}

void Rows::require_project(const ProjectId& project) {
  if (!own_identity_ || project.empty()) return;
  store::Identities identities = tx_.identities();
  if (identities.find<model::Project>(project.str())) return;
  if (put_described_row("projects", project.str())) return;
  home_project();
  identities.insert(model::Project{project, kDefaultDomain, "recovered-" + project.str(), "Its name was lost", true});
  restored_.projects.push_back(project.str());
}

// The type of this id, else that of this name, else one that is made.
VolumeTypeId Rows::type_for(const std::string& id, const std::string& name) {
  store::VolumeTypes types = tx_.volume_types();
  if (!id.empty() && types.find(VolumeTypeId(id))) return VolumeTypeId(id);
  if (!id.empty() && put_described_row("volume_types", id)) return VolumeTypeId(id);
  if (std::optional<model::VolumeType> type = types.find_by_name(name)) return type->id;
  model::VolumeType type;
  type.id = VolumeTypeId(id.empty() ? "00000000-0000-4000-8000-000000000001" : id);
  type.name = name.empty() ? "recovered-" + type.id.str() : name;
  type.created_at = now_;
  if (types.find(type.id)) return type.id;
  types.insert(type);
  restored_.types.push_back(type.name);
  return type.id;
}

}  // namespace varve::recovery
