#include "recovery/doctor.h"

#include <cerrno>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>

#include "backends/qcow2/assessment.h"
#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "model/status.h"
#include "qemu/storage_daemons.h"
#include "recovery/database_file.h"
#include "recovery/remains.h"
#include "services/descriptions.h"
#include "store/mapping.h"
#include "store/migrations.h"
#include "store/sql.h"

namespace varve::recovery {

namespace fs = std::filesystem;

namespace {

using Level = Finding::Level;

// A volume's or a snapshot's row, as far as the doctor needs it.
struct Row {
  std::string volume;
  std::string status;
  std::int64_t size_gib = 0;
  std::string pool;
};

struct Rows {
  std::map<std::string, Row> volumes;
  std::map<std::string, Row> snapshots;
  std::set<std::string> tasked;               // volumes, snapshots and whatever else live tasks work with
  std::map<std::string, std::string> served;  // attachments with an export: the key of their storage daemon
  std::map<std::string, Row> backups;
  std::map<std::string, std::string> archives;  // of backups that are whole
  // Of encrypted volumes and backups: kind and id of what needs them.
  std::map<std::pair<std::string, std::string>, std::string> keys;
  std::set<std::string> damaged;  // volumes and snapshots that are known to be
};

// A directory of the doctor's own, elsewhere than in the store.
class Scratch {
 public:
  Scratch() : directory_((fs::temp_directory_path() / "varved-doctor-XXXXXX").string()) {
    if (::mkdtemp(directory_.data()) == nullptr) throw files::fault_of(errno, "cannot make " + directory_);
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  fs::path file() const { return fs::path(directory_) / "varve.db"; }

 private:
  std::string directory_;
};

// One look; two of them that agree make a finding.
class Look {
 public:
  explicit Look(const Store& store) : store_(store) {}

  std::vector<Finding> run() {
    look_at_files();
    if (look_at_database()) {
      compare_rows_with_bytes();
      look_at_statuses();
      look_at_exports();
      look_at_keys();
      look_at_backups();
    }
    look_at_pools();
    return std::move(out_);
  }

 private:
  void add(Level level, std::string kind, std::string id, std::string what, std::string means, std::string mend) {
    out_.push_back({level, std::move(kind), std::move(id), std::move(what), std::move(means), std::move(mend)});
  }

  std::vector<qcow2::PoolDirectories> pools() const {
    std::vector<qcow2::PoolDirectories> out{{"default", store_.directory}};
    for (const auto& [name, directory] : store_.pools) out.push_back({name, directory});
    return out;
  }

  void look_at_files() {
    qcow2::Survey found = qcow2::survey(store_.directory, pools());
    told_ = qcow2::assess(found);
    for (const std::string& directory : found.unlisted) {
      add(Level::Error, "file", directory, "the directory cannot be read to the end",
          "what lies in it is not known; nothing is set aside or removed meanwhile",
          "look at the disk and the permissions, then start varved again");
    }
    for (const auto& twin : found.twins) {
      add(Level::Warning, "file", twin.string(),
          "there is another file of the same layer, which is the one that is used",
          "it may be the true one, after a copy by hand", "compare the two, and keep the one that is right");
    }
    for (const auto& stray : found.strays) {
      add(Level::Note, "file", stray.string(), "it has a name that varved does not give",
          "nobody; varved leaves it alone", "move it elsewhere");
    }
    look_at_quarantine();
    for (const auto& [layer, why] : told_.to_set_aside) tell_unaccounted(layer, why, found.layers.at(layer).path);
    for (const auto& [layer, why] : told_.unaccounted) tell_unaccounted(layer, why, found.layers.at(layer).path);
    for (const auto& [volume, why] : told_.unreadable) {
      add(Level::Error, "volume", volume.str(), "its manifest cannot be read: " + why,
          "the volume and its snapshots are in error; its layers are kept",
          "put volumes/" + volume.str() + ".json back from a backup and start varved again, or delete the volume");
    }
    std::set<LayerId> written;
    for (const auto& [volume, manifest] : told_.manifests) written.insert(manifest.active);
    for (const auto& [layer, file] : found.layers) {
      if (!file.header || !told_.graph.contains(layer)) continue;
      if (auto whole = qcow2::read_whole(file.path, written.contains(layer)); !whole)
        told_.graph.hurt(layer, whole.error());
    }
    for (const auto& [volume, manifest] : told_.manifests) tell_damage(volume, manifest);
  }

  void tell_unaccounted(const LayerId& layer, const std::string& why, const fs::path& file) {
    add(Level::Warning, "layer", layer.str(), why + " (" + file.string() + ")",
        "it may be of a volume whose manifest is lost; varved neither uses nor removes it",
        "put the manifest back that names it, or remove the file when you know that it is not needed");
  }

  void tell_damage(const VolumeId& volume, const qcow2::Manifest& manifest) {
    auto tell = [&](const std::string& kind, const std::string& id, const LayerId& top) {
      std::optional<qcow2::Damage> fault = told_.graph.damage(top);
      if (!fault) return;
      add(Level::Error, kind, id, "layer " + fault->layer.str() + ": " + fault->reason,
          "its bytes cannot be read; everything else can",
          "mend or put back the file of that layer (varved notices by itself), use a sound snapshot or backup, or "
          "delete it");
    };
    tell("volume", volume.str(), manifest.active);
    for (const auto& [snapshot, frozen] : manifest.snapshots) tell("snapshot", snapshot.str(), frozen.layer);
  }

  void look_at_quarantine() {
    for (const qcow2::PoolDirectories& pool : pools()) {
      std::error_code fault;
      for (fs::directory_iterator entry(pool.quarantine(), fault), end; !fault && entry != end;
           entry.increment(fault)) {
        if (entry->path().extension() == ".reason") continue;
        bool is_database = entry->is_directory(fault);
        fs::path reason = (is_database ? entry->path() / "database" : entry->path()).string() + ".reason";
        std::string why = files::exists(reason) ? std::string(trim(files::read(reason))) : "no reason is noted";
        add(Level::Warning, "file", entry->path().string(), "it was set aside: " + why,
            "it takes up room, and may hold somebody's bytes",
            "a start puts a layer back when a manifest needs it; remove it when you know that nobody does");
      }
    }
  }

  // False when its rows cannot be compared with anything.
  bool look_at_database() {
    fs::path file = store_.directory / "varve.db";
    std::string what;
    Condition condition = examine(file, &what);
    if (condition == Condition::Healthy) {
      read_rows(file);
      return true;
    }
    bool missing = condition == Condition::Missing;
    if (missing && told_.manifests.empty() && told_.unreadable.empty()) return false;  // a new store
    add(Level::Error, "database", file.string(), missing ? "it is missing" : "it is damaged: " + what,
        "names, owners and users are known only as far as they are described beside the images",
        "start varved, or run varved recover: it is rebuilt, and the damaged file is kept");
    return false;
  }

  void read_rows(const fs::path& file) {
    if (written_version(file) == store::newest_schema_version()) {
      store::Connection db(file.string(), true);
      read_rows(db);
      return;
    }
    // No varved of this version has opened it yet: a copy is brought up to it.
    Scratch scratch;
    copy_database(file, scratch.file());
    store::Connection db(scratch.file().string(), false);
    store::migrate(db);
    read_rows(db);
  }

  void read_rows(store::Connection& db) {
    using std::optional;
    using std::string;
    for (auto& [id, status, key, size, pool] : store::query<string, string, optional<string>, std::int64_t, string>(
             db, "SELECT id, status, encryption_key_id, size_gib, pool FROM volumes")) {
      rows_.volumes[id] = {id, status, size, pool};
      if (key) rows_.keys[{"volume", id}] = *key;
    }
    for (auto& [id, volume, status] :
         store::query<string, string, string>(db, "SELECT id, volume_id, status FROM snapshots")) {
      rows_.snapshots[id] = {volume, status, 0, ""};
    }
    for (auto& [id] : store::query<string>(db, "SELECT id FROM damages")) rows_.damaged.insert(id);
    for (auto& [id, volume, status, archive, key] : store::query<string, string, string, string, optional<string>>(
             db, "SELECT id, volume_id, status, archive, encryption_key_id FROM backups")) {
      rows_.backups[id] = {volume, status, 0, ""};
      if (status != "available" && status != "restoring") continue;
      rows_.archives[id] = archive;
      if (key) rows_.keys[{"backup", id}] = *key;
    }
    for (auto& [id, volume, snapshot, works_with] : store::query<string, string, optional<string>, optional<string>>(
             db, "SELECT id, volume_id, snapshot_id, payload FROM tasks WHERE state = 'live'")) {
      rows_.tasked.insert(volume);
      if (snapshot) rows_.tasked.insert(*snapshot);
      // What a task copies is served under the name of its snapshot, or of one that it made and called after itself.
      for (const string& copied : {snapshot.value_or(id), id}) {
        rows_.tasked.insert(model::Source{VolumeId(volume), SnapshotId(copied)}.name());
      }
      if (works_with) rows_.tasked.insert(works_with->substr(works_with->find(':') + 1));
    }
    for (auto& [id, volume, snapshot] : store::query<string, string, optional<string>>(
             db, "SELECT id, volume_id, snapshot_id FROM attachments WHERE connection IS NOT NULL")) {
      model::Source source{VolumeId(volume)};
      if (snapshot) source.snapshot = SnapshotId(*snapshot);
      rows_.served[id] = source.name();
    }
  }

  bool has_bytes(const std::string& volume) const {
    return told_.manifests.contains(VolumeId(volume)) || told_.unreadable.contains(VolumeId(volume));
  }

  void compare_rows_with_bytes() {
    for (const auto& [id, row] : rows_.volumes) {
      bool failed = row.status == "error" && !rows_.damaged.contains(id);  // it never had any
      if (has_bytes(id) || failed || rows_.tasked.contains(id)) continue;
      add(Level::Error, "volume", id, "it has no manifest (its status is " + row.status + ")",
          "its bytes cannot be found; they may be in quarantine",
          "put volumes/" + id + ".json back from a backup and start varved again, or delete the volume");
    }
    for (const auto& [id, row] : rows_.snapshots) {
      auto manifest = told_.manifests.find(VolumeId(row.volume));
      bool kept = manifest != told_.manifests.end() && manifest->second.snapshots.contains(SnapshotId(id));
      bool failed = row.status == "error" && !rows_.damaged.contains(id);
      if (kept || failed || rows_.tasked.contains(id) || rows_.tasked.contains(row.volume)) continue;
      if (!has_bytes(row.volume) || told_.unreadable.contains(VolumeId(row.volume))) continue;  // told of the volume
      add(Level::Error, "snapshot", id, "its volume's manifest does not name it (its status is " + row.status + ")",
          "its bytes cannot be found", "delete it");
    }
    for (const auto& [volume, manifest] : told_.manifests) {
      auto row = rows_.volumes.find(volume.str());
      if (row != rows_.volumes.end()) {
        if (!rows_.tasked.contains(volume.str())) compare(row->second, manifest);
        continue;
      }
      add(Level::Warning, "volume", volume.str(), "it has bytes and no row",
          "nobody: it was given up (unmanaged), or its row was lost",
          "cinder manage takes it back; varved recover makes a row of its description");
    }
  }

  void compare(const Row& row, const qcow2::Manifest& manifest) {
    auto named = [](const std::string& pool) { return pool.empty() ? std::string(qcow2::kDefaultPool) : pool; };
    bool is_elsewhere = !manifest.pool.empty() && manifest.pool != named(row.pool);
    if (manifest.size_gib != row.size_gib || is_elsewhere) {
      add(Level::Warning, "volume", row.volume,
          "it is said to have " + std::to_string(row.size_gib) + " GiB in the pool " + row.pool + ", and has " +
              std::to_string(manifest.size_gib) + " GiB in the pool " + (is_elsewhere ? manifest.pool : row.pool),
          "its owner is told and charged something wrong; clients get what it has",
          "stop varved and run varved recover: the row gets what the bytes have");
    }
    for (const auto& [snapshot, frozen] : manifest.snapshots) {
      if (rows_.snapshots.contains(snapshot.str()) || rows_.tasked.contains(snapshot.str())) continue;
      add(Level::Note, "snapshot", snapshot.str(), "it has bytes (of the volume " + row.volume + ") and no row",
          "nobody: it was given up (unmanaged), or is what an operation that failed has left; it takes up room",
          "cinder snapshot-manage takes it back; then it can be deleted");
    }
  }

  template <class Status, class Parse>
  void look_at_status(const std::string& kind, const std::string& id, const Row& row, Parse parse) {
    std::optional<Status> status = parse(row.status);
    if (!status || !model::is_transitional(*status)) return;
    if (rows_.tasked.contains(id) || rows_.tasked.contains(row.volume)) return;
    add(Level::Error, kind, id, "it is " + row.status + " and no task works on it",
        "it can neither be used nor deleted", "start varved again: it becomes an error status, which can be deleted");
  }

  void look_at_statuses() {
    for (const auto& [id, row] : rows_.volumes) {
      look_at_status<model::VolumeStatus>("volume", id, row, model::parse_volume_status);
    }
    for (const auto& [id, row] : rows_.snapshots) {
      look_at_status<model::SnapshotStatus>("snapshot", id, row, model::parse_snapshot_status);
    }
    for (const auto& [id, row] : rows_.backups) {
      look_at_status<model::BackupStatus>("backup", id, row, model::parse_backup_status);
    }
  }

  bool is_served(const std::string& key) const {
    return qemu::StorageDaemons::process_of(store_.run_directory, key).has_value();
  }

  void look_at_exports() {
    std::set<std::string> wanted;
    for (const auto& [attachment, key] : rows_.served) {
      wanted.insert(key);
      if (is_served(key) || rows_.tasked.contains(key)) continue;
      add(store_.running ? Level::Error : Level::Warning, "attachment", attachment,
          "no storage daemon serves it (" + key + ")", "its client cannot reach its bytes",
          store_.running ? "varved tries again by itself; its log tells why it fails"
                         : "start varved: it is served again");
    }
    std::error_code fault;
    for (fs::directory_iterator entry(store_.run_directory, fault), end; !fault && entry != end;
         entry.increment(fault)) {
      std::string key = entry->path().filename().string();
      bool ours = is_uuid(key) || key.starts_with(model::kSnapshotPrefix);
      if (!ours || wanted.contains(key) || rows_.tasked.contains(key) || !is_served(key)) continue;
      add(Level::Warning, "daemon", key, "a storage daemon runs for it, and no attachment wants it",
          "somebody may still read or write there; the volume cannot be attached elsewhere",
          "make sure that no client uses it, then end the process in " + (entry->path() / "pid").string());
    }
  }

  // Those of bytes without a row, too.
  void look_at_keys() {
    for (const auto& [volume, manifest] : told_.manifests) {
      if (!manifest.key.empty()) rows_.keys.try_emplace({"volume", volume.str()}, manifest.key.str());
    }
    if (rows_.keys.empty()) return;
    bool has_root = files::exists(store_.root_key);
    if (!has_root) {
      add(Level::Error, "key", store_.root_key.string(), "the root key is missing",
          "no encrypted volume or backup can be opened", "mount its disk or put it back");
    }
    for (const auto& [owner, key] : rows_.keys) {
      const auto& [kind, id] = owner;
      if (rows_.tasked.contains(id)) continue;
      bool is_missing = !files::exists(store_.directory / "keys" / key);
      if (!is_missing && (!has_root || can_be_used(KeyId(key)))) continue;
      std::string what = "the key of the ";
      what.append(kind).append(" ").append(id);
      what += is_missing ? " is missing" : " cannot be read, or belongs to another root key";
      add(Level::Error, "key", key, what, "its bytes cannot be read",
          "put keys/" + key + " (or the root key) back from a backup; without it the bytes are lost");
    }
  }

  bool can_be_used(const KeyId& key) const {
    try {
      store_.try_key(key);
      return true;
    } catch (const Error&) {
      return false;
    }
  }

  void look_at_backups() {
    for (const auto& [id, archive] : rows_.archives) {
      if (rows_.tasked.contains(id)) continue;
      if (!look_for(id, archive, "delete it, or put its objects (" + archive + "/) back")) return;
    }
    if (store_.running) return;  // what is described follows the rows by a moment
    for (const auto& [id, archive] : described_backups(services::read_catalogue(store_.directory))) {
      if (rows_.backups.contains(id)) continue;
      try {
        if (!store_.has_archive(archive)) continue;
      } catch (const Error&) {
        continue;
      }
      add(Level::Warning, "backup", id, "it has objects and a description, and no row",
          "nobody can restore it; the database is an older one",
          "run varved recover before varved is started: it makes a row of the description");
    }
  }

  // False: no other needs to be looked for.
  bool look_for(const std::string& backup, const std::string& archive, const std::string& mend) {
    std::string what = "its objects are not there, or not all of them";
    try {
      if (store_.has_archive(archive)) return true;
    } catch (const Error& fault) {
      if (fault.code() == ErrorCode::Unavailable) {
        add(Level::Error, "backups", "", "the object store cannot be reached: " + fault.message(),
            "no backup can be made or restored", "look at the network and the configuration of backups");
        return false;
      }
      what = fault.message();
    }
    add(Level::Error, "backup", backup, what, "it cannot be restored", mend);
    return true;
  }

  void look_at_pools() {
    for (const qcow2::PoolDirectories& pool : pools()) {
      if (!files::exists(pool.root)) {
        add(Level::Error, "pool", pool.name, "its directory " + pool.root.string() + " is not there",
            "all its volumes are in error", "mount it and start varved again");
        continue;
      }
      files::Space space = files::space(pool.root);
      if (space.available >= store_.min_free_bytes) continue;
      add(Level::Warning, "pool", pool.name, std::to_string(space.available >> 20) + " MiB are free",
          "nothing that needs room is begun; writes of clients fail when the disk is full",
          "delete snapshots or volumes, or make the disk larger");
    }
  }

  const Store& store_;
  qcow2::Assessment told_;
  Rows rows_;
  std::vector<Finding> out_;
};

}  // namespace

std::vector<Finding> examine_store(const Store& store) {
  if (!files::exists(store.directory)) {
    throw Error(ErrorCode::InvalidInput, "there is no store " + store.directory.string());
  }
  std::vector<Finding> first = Look(store).run();
  if (first.empty() || !store.running) return first;
  // Not by its words: they may hold figures that change.
  auto key = [](const Finding& one) { return one.kind + one.id + one.means; };
  std::set<std::string> again;
  for (const Finding& finding : Look(store).run()) again.insert(key(finding));
  std::erase_if(first, [&](const Finding& one) { return !again.contains(key(one)); });
  return first;
}

}  // namespace varve::recovery
