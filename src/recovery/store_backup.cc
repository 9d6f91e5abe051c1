#include "recovery/store_backup.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "recovery/database_file.h"
#include "recovery/remains.h"
#include "store/database.h"

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
  fs::path real = fs::weakly_canonical(target, unknown);
  fs::path inside = fs::weakly_canonical(store, unknown);
  auto [end, rest] = std::mismatch(inside.begin(), inside.end(), real.begin(), real.end());
  if (end == inside.end()) bad("is inside of the store");
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

// Did it change?
bool follow_bytes(model::Volume& volume, const Remains& present) {
  auto bytes = present.bytes.find(volume.id);
  if (bytes == present.bytes.end() || !bytes->second.readable) return false;
  bool moved = !bytes->second.pool.empty() && bytes->second.pool != volume.pool;
  if (!moved && bytes->second.size_gib == volume.size_gib) return false;
  volume.size_gib = bytes->second.size_gib;
  if (moved) volume.pool = bytes->second.pool;
  return true;
}

// Rows whose bytes are not in the copy, unless a task is about to make them.
void mark_missing(const fs::path& copy) {
  Remains present = read_remains(copy);
  std::unique_ptr<store::Database> db = store::open_sqlite(copy / "varve.db", 1);
  auto has = [&](const VolumeId& volume) { return present.bytes.contains(volume); };
  store::Work mark = [&](store::Transaction& tx) {
    VolumeId last;
    for (std::vector<VolumeId> ids; !(ids = tx.volumes().ids_after(last, 1000)).empty(); last = ids.back()) {
      for (const VolumeId& id : ids) {
        model::Volume volume = tx.volumes().get(std::nullopt, id);
        if (tx.tasks().works_on(id)) continue;
        if (!has(id) && volume.status != model::VolumeStatus::Error) {
          volume.status = model::VolumeStatus::Error;
          tx.volumes().update(volume);
        }
        // It may have grown or moved since the rows were copied.
        if (follow_bytes(volume, present)) tx.volumes().update(volume);
        for (model::Snapshot& snapshot : tx.snapshots().of_volume(id)) {
          if (has(id) && present.bytes.at(id).snapshots.contains(snapshot.id)) continue;
          snapshot.status = model::SnapshotStatus::Error;
          tx.snapshots().update(snapshot);
        }
      }
    }
  };
  db->write_blocking(mark);
}

}  // namespace

BackupReport back_up_store(const fs::path& store, backends::Backend& backend, const fs::path& target,
                           const std::function<void()>& between) {
  require_new(store, target);
  fs::path copy = partial(target);
  fs::remove_all(copy);
  files::make_directory(copy);
  files::replace_atomically(copy / kUnfinished, "");
  copy_database(store / "varve.db", copy / "varve.db");
  std::set<VolumeId> volumes;
  for (const backends::Found& found : backend.found()) {
    if (found.volume && !found.snapshot) volumes.insert(*found.volume);
  }
  BackupReport report;
  for (const VolumeId& volume : volumes) {
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
  mark_missing(copy);
  files::remove_durably(copy / kUnfinished);
  if (::rename(copy.c_str(), target.c_str()) != 0) {
    throw Error(ErrorCode::BackendFailed, "cannot rename " + copy.string() + ": " + std::strerror(errno));
  }
  files::sync_directory(target.parent_path());
  return report;
}

}  // namespace varve::recovery
