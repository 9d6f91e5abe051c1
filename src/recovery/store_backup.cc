#include "recovery/store_backup.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "backends/qcow2/manifest.h"
#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/paths.h"
#include "base/rng.h"
#include "recovery/database_file.h"
#include "recovery/rows.h"
#include "services/states.h"
#include "store/database.h"
#include "store/mapping.h"
#include "store/plain_rows.h"

namespace varve::recovery {

namespace fs = std::filesystem;

namespace {

// In the directory of a backup that is not complete: it may be removed.
constexpr char kUnfinished[] = "unfinished";

fs::path partial(const fs::path& target) {
  return target.string() + ".partial";
}

void require_new(const fs::path& store, const fs::path& target) {
  auto bad = [&](const std::string& why) { throw Error(ErrorCode::InvalidInput, target.string() + " " + why); };
  if (!target.is_absolute()) bad("must be an absolute path");
  if (files::exists(target)) bad("is there already");
  std::error_code unknown;
  if (!fs::is_directory(target.parent_path(), unknown)) bad("has no directory to be in");
  if (is_within(target, store)) bad("is inside of the store");
  fs::path copy = partial(target);
  if (files::exists(copy) && !files::exists(copy / kUnfinished)) {
    bad("cannot be made: " + copy.string() + " is there, and no backup that was cut off");
  }
}

// Small files that are replaced as a whole; one may go meanwhile.
void copy_files(const fs::path& from, const fs::path& to) {
  if (!fs::is_directory(from)) return;
  files::make_directory(to);
  for (const auto& entry : fs::directory_iterator(from)) {
    if (!entry.is_regular_file() || entry.path().extension() == ".new") continue;
    try {
      files::replace_atomically(to / entry.path().filename(), files::read(entry.path()));
    } catch (const Error&) {
      if (fs::exists(entry.path())) throw;
    }
  }
}

// Of images whose copying failed.
void remove_parts(const fs::path& copy) {
  std::vector<fs::path> parts;
  for (const auto& entry : fs::recursive_directory_iterator(copy)) {
    if (entry.path().extension() == ".part") parts.push_back(entry.path());
  }
  for (const fs::path& part : parts) fs::remove(part);
}

// Makes a copy's rows fit to its bytes, which were copied after them.
class Fitting {
 public:
  // store: that of which the copy is.
  Fitting(const fs::path& store, const fs::path& copy, BackupReport& report)
      : store_(store),
        bytes_(read_remains(copy).bytes),
        manifests_(copy / "volumes"),
        keys_(copy / "keys"),
        source_((store / "varve.db").string(), true),
        volumes_(source_, "volumes"),
        snapshots_(source_, "snapshots"),
        report_(report) {}

  // What a task of the copy works on is left to it.
  void fit(store::Transaction& tx) {
    fit_backups(tx);
    VolumeId last;
    for (std::vector<VolumeId> ids; !(ids = tx.volumes().ids_after(last, 1000)).empty(); last = ids.back()) {
      for (const VolumeId& id : ids) {
        if (!tx.tasks().works_on(id)) fit_volume(tx, tx.volumes().get(std::nullopt, id));
      }
    }
  }

 private:
  // The store goes on writing to the archive. What the copy makes, and takes away when it fails, is its own.
  static void fit_backups(store::Transaction& tx) {
    SystemRng rng;
    for (model::Backup& backup : tx.backups().transitional()) {
      if (backup.status != model::BackupStatus::Creating) continue;
      backup.archive = rng.uuid();
      tx.backups().update(backup);
    }
  }

  using Snapshots = std::map<SnapshotId, std::int64_t>;

  void fit_volume(store::Transaction& tx, model::Volume volume) {
    auto found = bytes_.find(volume.id);
    bool has_bytes = found != bytes_.end() && can_be_read(found->second);
    if (!has_bytes && is_deleted(volumes_, volume.id)) {
      if (found != bytes_.end() && found->second.readable) bury(volume.id);
      return remove(tx, volume.id);
    }
    if (!has_bytes) fit_lost(tx, volume);
    // It may have grown or moved.
    if (has_bytes && follow_bytes(volume, found->second)) tx.volumes().update(volume);
    fit_snapshots(tx, volume.id, has_bytes ? found->second.snapshots : Snapshots());
  }

  void fit_lost(store::Transaction& tx, model::Volume& volume) {
    bool is_good = volume.status != model::VolumeStatus::Error;
    if (!is_good && !tx.damages().find(volume.id.str())) return;  // it never had any
    if (is_good) {
      volume.status = model::VolumeStatus::Error;
      tx.volumes().update(volume);
      note_missing(tx, volume.id.str(), volume.id);
    }
    tell_lost(volume.id.str());
  }

  // Since the rows were copied; or that is just being done.
  template <typename Id>
  bool is_deleted(store::PlainTable& table, const Id& id) {
    boost::json::array rows = table.select(source_, "WHERE id = :id", store::values(id));
    return rows.empty() || rows.front().at("status").as_string() == "deleting";
  }

  static void remove(store::Transaction& tx, const VolumeId& volume) {
    for (const model::Snapshot& snapshot : tx.snapshots().of_volume(volume)) remove(tx, snapshot.id);
    for (const model::Attachment& one : tx.attachments().of_volume(volume)) tx.attachments().remove(one.id);
    tx.transfers().remove_of_volume(volume);
    tx.volumes().remove(volume);
  }

  static void remove(store::Transaction& tx, const SnapshotId& snapshot) {
    for (const model::Attachment& one : tx.attachments().of_snapshot(snapshot)) tx.attachments().remove(one.id);
    tx.snapshots().remove(snapshot);
  }

  void tell_lost(const std::string& id) {
    auto is_told = [&](const std::string& one) { return one.starts_with(id); };
    if (std::ranges::any_of(report_.failed, is_told)) return;
    report_.failed.push_back(id + ": its bytes or their key cannot be found");
  }

  void fit_snapshots(store::Transaction& tx, const VolumeId& volume, Snapshots made) {
    for (model::Snapshot& snapshot : tx.snapshots().of_volume(volume)) {
      bool has_bytes = made.erase(snapshot.id) > 0;
      if (has_bytes) continue;
      if (is_deleted(snapshots_, snapshot.id)) {
        remove(tx, snapshot.id);
        continue;
      }
      if (snapshot.status == model::SnapshotStatus::Error) continue;
      snapshot.status = model::SnapshotStatus::Error;
      tx.snapshots().update(snapshot);
      note_missing(tx, snapshot.id.str(), volume);
    }
    for (const auto& [id, size] : made) add_late(tx, volume, id);
  }

  // A snapshot that was made after the rows were copied. One without a row was given up long ago, or has just gone, or
  // is the helper of a task that the copy does not know.
  void add_late(store::Transaction& tx, const VolumeId& volume, const SnapshotId& id) {
    boost::json::array rows = snapshots_.select(source_, "WHERE id = :id", store::values(id));
    if (rows.empty()) {
      if (!is_kept(volume, id)) let_go(volume, id);
      return;
    }
    boost::json::object row = rows.front().as_object();
    // The helper of a backup that the copy does not know goes when the copy is opened (services/reconciler.h).
    const boost::json::value& name = row.at("name");
    bool is_helper = name.is_string() && services::is_helper(id, name.as_string());
    row["status"] = to_string(is_helper ? model::SnapshotStatus::BackingUp : model::SnapshotStatus::Available);
    row["group_snapshot_id"] = nullptr;  // which the copy may not know
    store::PlainTable(tx.connection(), "snapshots").insert(tx.connection(), row);
  }

  // Unless it is a task's own, or the store's manifest of now is without it: one that is not there proves nothing.
  bool is_kept(const VolumeId& volume, const SnapshotId& id) {
    using Int = std::int64_t;
    if (!store::query<Int>(source_, "SELECT 1 FROM tasks WHERE id = :id AND state = 'live'", id).empty()) return false;
    try {
      return qcow2::parse_manifest(files::read(store_ / "volumes" / (volume.str() + ".json"))).snapshots.contains(id);
    } catch (const Error&) {
      return true;
    }
  }

  void let_go(const VolumeId& volume, const SnapshotId& id) const {
    fs::path file = manifests_ / (volume.str() + ".json");
    qcow2::Manifest manifest = qcow2::parse_manifest(files::read(file));
    auto snapshot = manifest.snapshots.find(id);
    if (snapshot == manifest.snapshots.end()) return;
    manifest.dropped.insert(snapshot->second.layer);
    manifest.snapshots.erase(snapshot);
    qcow2::save(file, manifest);
  }

  void note_missing(store::Transaction& tx, const std::string& id, const VolumeId& volume) {
    tx.damages().put({id, volume, "it is not in this copy of the store", SystemClock().now()});
  }

  // As the store has done with it (qcow2/manifest.h): what is left of its bytes goes when the copy is opened.
  void bury(const VolumeId& volume) const {
    fs::path manifest = manifests_ / (volume.str() + ".json");
    files::rename_durably(manifest, fs::path(manifest).replace_extension(".deleted"));
  }

  // Encrypted bytes are none without their key.
  bool can_be_read(const Bytes& bytes) const {
    return bytes.readable && (bytes.key.empty() || files::exists(keys_ / bytes.key));
  }

  const fs::path store_;
  const std::map<VolumeId, Bytes> bytes_;
  const fs::path manifests_;
  const fs::path keys_;
  store::Connection source_;
  store::PlainTable volumes_;
  store::PlainTable snapshots_;
  BackupReport& report_;
};

}  // namespace

BackupReport back_up_store(const fs::path& store, backends::Backend& backend, const fs::path& target,
                           const std::function<void()>& between) {
  require_new(store, target);
  fs::path copy = partial(target);
  fs::remove_all(copy);
  files::make_directory(copy);
  files::replace_atomically(copy / kUnfinished, "");
  copy_database(store / "varve.db", copy / "varve.db");
  BackupReport report;
  for (const VolumeId& volume : backend.volumes()) {
    try {
      backend.copy_volume(volume, copy, between);
      ++report.volumes;
    } catch (const Error& fault) {
      between();  // throws when varved stops
      log::error("a volume is not in the backup of the store", {{"volume", volume}, {"error", fault.message()}});
      report.failed.push_back(volume.str() + ": " + fault.message());
    }
  }
  remove_parts(copy);
  files::make_directory(copy / "volumes");
  for (const char* part : {"keys", "descriptions", "descriptions/volumes"}) copy_files(store / part, copy / part);
  if (fs::exists(store / "openrc")) files::replace_atomically(copy / "openrc", files::read(store / "openrc"));
  {
    Fitting fitting(store, copy, report);
    std::unique_ptr<store::Database> db = store::open_sqlite(copy / "varve.db", 1);
    db->write_blocking([&](store::Transaction& tx) { fitting.fit(tx); });
  }
  files::remove_durably(copy / kUnfinished);
  if (::rename(copy.c_str(), target.c_str()) != 0) {
    throw Error(ErrorCode::BackendFailed, "cannot rename " + copy.string() + ": " + std::strerror(errno));
  }
  files::sync_directory(target.parent_path());
  return report;
}

}  // namespace varve::recovery
