// Bytes that nobody's call made: image files in a pool's manageable/ directory, and volumes and snapshots whose rows
// were given up. They are taken in without being copied.

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "backends/qcow2/holds.h"
#include "backends/qcow2/qcow2_backend.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"

namespace varve::qcow2 {

namespace fs = std::filesystem;
using backends::Found;

namespace {

constexpr std::int64_t kGib = 1LL << 30;

std::int64_t whole_gib(std::uint64_t bytes) {
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(bytes / kGib + (bytes % kGib == 0 ? 0 : 1)));
}

}  // namespace

std::optional<Found> Qcow2Backend::found_file(const fs::path& path, const Pool& pool) const {
  std::error_code fault;
  fs::file_type type = fs::symlink_status(path, fault).type();
  if (type != fs::file_type::regular && type != fs::file_type::symlink) return std::nullopt;
  Found found;
  found.name = path.filename().string();
  found.pool = pool.name;
  if (type == fs::file_type::symlink) {
    found.refusal = "it is a link, and what it leads to may be somebody else's";
    return found;
  }
  std::expected<Header, std::string> header = read_header(path);
  if (!header) {
    found.refusal = "it is no qcow2 image (" + header.error() + "); make one of it with qemu-img convert";
    return found;
  }
  found.size_gib = whole_gib(header->virtual_size);
  if (fs::hard_link_count(path, fault) > 1) found.refusal = "it has a second name, so that others may write to it";
  if (header->has_backing) found.refusal = "it has a backing file";
  if (header->foreign_data) found.refusal = "its data is in another file";
  if (header->encrypted) found.refusal = "it is encrypted with a key that is not known here";
  return found;
}

std::vector<Found> Qcow2Backend::found(const std::string& wanted) {
  std::vector<Found> out;
  {
    MutexLock graph(graph_mutex_);
    for (const auto& [id, manifest] : manifests_) {
      const Pool* where = images_.find_pool(manifest.pool);
      std::string pool = where == nullptr ? manifest.pool : where->name;
      if (pool != wanted) continue;
      // Its client would go on to write into what is another volume's then.
      std::string refusal = opened_.contains(id.str()) ? "a client has it open" : "";
      std::optional<KeyId> key = manifest.key.empty() ? std::nullopt : std::optional(manifest.key);
      out.push_back({"volume-" + id.str(), pool, manifest.size_gib, id, std::nullopt, refusal, key});
      for (const auto& [name, frozen] : manifest.snapshots) {
        out.push_back({"snapshot-" + name.str(), pool, frozen.size_gib, id, name, "", key});
      }
    }
  }
  for (const Pool& pool : images_.pools()) {
    if (pool.name != wanted || is_absent(pool.name)) continue;
    for (const fs::path& path : files::list(pool.manageable())) {
      if (std::optional<Found> file = found_file(path, pool)) out.push_back(std::move(*file));
    }
  }
  return out;
}

void Qcow2Backend::adopt_volume(const VolumeId& volume, const std::string& name) {
  std::vector<Found> present;
  for (const std::string& pool : pools()) std::ranges::move(found(pool), std::back_inserter(present));
  for (const Found& one : present) {
    if (one.name != name || one.snapshot) continue;
    bool was_taken = !one.volume && has_volume(volume);
    if (!one.refusal.empty() && !was_taken) {
      throw Error(ErrorCode::BackendFailed, name + " cannot be taken: " + one.refusal);
    }
    if (!one.volume) return adopt_file(volume, one);
    if (*one.volume == volume) return;
    Hold old_hold(*this, *one.volume);
    Hold new_hold(*this, volume);
    if (!has_volume(volume)) {
      Manifest moved = manifest(*one.volume);
      moved.volume = volume;
      moved.taken_from = *one.volume;
      commit(moved);
    }
    FAILPOINT("volume.adopt.after_manifest");
    forget_manifest(*one.volume);
    Manifest taken = manifest(volume);
    taken.taken_from = VolumeId();
    commit(taken);
    return;
  }
  if (!has_volume(volume)) throw Error(ErrorCode::BackendFailed, "there is no image " + name);
}

// Another manifest has all that this one has.
void Qcow2Backend::forget_manifest(const VolumeId& volume) {
  files::remove_durably(manifest_file(volume));
  MutexLock graph(graph_mutex_);
  Manifest gone = std::move(manifests_.at(volume));
  manifests_.erase(volume);
  dependents_.erase(volume);
  deep_.remove(volume);
  for (const LayerId& layer : gone.referred()) graph_.release(layer);
}

// The file gets a second name among the layers and loses its first one when the manifest is there: whatever happens, it
// has one.
void Qcow2Backend::adopt_file(const VolumeId& volume, const Found& file) {
  Hold hold(*this, volume);
  const Pool& pool = images_.pool(file.pool);
  fs::path source = pool.manageable() / file.name;
  if (!has_volume(volume)) {
    LayerId layer = new_layer(file.pool);
    if (fault::fails(fault::Kind::Create) || ::link(source.c_str(), images_.draft(layer).c_str()) != 0) {
      throw files::fault_of(errno, "cannot take " + source.string());
    }
    Draft draft(*this, layer);
    files::sync_directory(pool.layers());
    commit({.volume = volume, .size_gib = file.size_gib, .active = layer, .pool = file.pool}, &draft);
    FAILPOINT("volume.adopt.after_manifest");
  }
  Manifest made = manifest(volume);
  Header header = require_header(images_.file(made.active));
  if (header.virtual_size != static_cast<std::uint64_t>(made.size_gib * kGib)) resize_closed(made, made.size_gib);
  try {
    std::error_code gone;  // or another file has its name now, which is none of ours
    if (fs::equivalent(source, images_.file(made.active), gone)) files::remove_durably(source);
  } catch (const Error& fault) {
    // The volume is there. A name that stays is refused: it has two.
    log::warning("an image that was taken may still have its first name",
                 {{"volume", volume}, {"error", fault.message()}});
  }
}

void Qcow2Backend::rename_snapshot(const VolumeId& volume, const SnapshotId& from, const SnapshotId& to) {
  Hold hold(*this, volume);
  Manifest changed = manifest(volume);
  if (changed.snapshots.contains(to)) return;
  auto found = changed.snapshots.find(from);
  if (found == changed.snapshots.end()) {
    throw Error(ErrorCode::BackendFailed, "the snapshot " + from.str() + " has no image");
  }
  FrozenLayer frozen = found->second;
  changed.snapshots.erase(found);
  changed.snapshots[to] = frozen;
  commit(changed);
}

}  // namespace varve::qcow2
