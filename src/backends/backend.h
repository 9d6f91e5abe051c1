// The contract of what keeps the bytes, in terms of volumes and snapshots.
//
// Every call is idempotent: a task that was cut off by a crash runs the same call again and gets the same end. Ids are
// committed in the store before the call. Calls block (milliseconds; never as long as the data is large) and may come
// from any thread; calls about one volume are serialised by the backend. After a throw the old state holds, or a
// repeated call finishes the new one; a volume's acknowledged bytes and its snapshots are never harmed. Errors: NoSpace
// (nothing was begun), BackendFailed, Unavailable.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "backends/device.h"
#include "base/id.h"
#include "model/resources.h"
#include "model/source.h"

namespace varve::backends {

// A BackendFailed that a volume's owner can do something about has one of these in its text.
inline constexpr std::string_view kDamaged = " is damaged: ";                  // bytes that are needed cannot be read
inline constexpr std::string_view kTooDeep = "the volume already stands on ";  // too many layers on top of each other
inline constexpr std::string_view kOthers = " has snapshots that only the storage knows: ";

// Bytes on the disk. allocated: all that the object reads from; exclusive: what its removal would free.
struct Usage {
  std::uint64_t allocated = 0;
  std::uint64_t exclusive = 0;
};

// Where a volume's bytes are to be, and with which key they are to be encrypted.
struct Placement {
  std::string pool;  // "": the default one
  std::optional<KeyId> key;
};

// Bytes that no call made: an image file that somebody put there, a volume or snapshot whose row was given up.
struct Found {
  std::string name;  // "volume-<id>", "snapshot-<id>", or the file's name
  std::string pool;
  std::int64_t size_gib = 0;
  std::optional<VolumeId> volume;  // of a snapshot: its volume; of a volume: itself
  std::optional<SnapshotId> snapshot;
  std::string refusal;       // why it cannot be taken; "": it can
  std::optional<KeyId> key;  // with which it is encrypted
};

struct Capacity {
  std::uint64_t total = 0;
  std::uint64_t available = 0;
  bool read_only = false;
  bool full = false;         // nothing that needs room is begun
  bool unavailable = false;  // its disk cannot be used
};

class Backend {
 public:
  virtual ~Backend() = default;

  // An empty volume, all zeros. size in GiB.
  virtual void create_volume(const VolumeId& volume, std::int64_t size_gib, const Placement& placement) = 0;

  // A volume with a snapshot's bytes, usable at once; made independent of the source in the background.
  // What is larger than size_gib is cut off; when the volume grows later, zeros are read there. Its key is the
  // source's.
  virtual void clone_snapshot(const VolumeId& volume, std::int64_t size_gib, const VolumeId& source,
                              const SnapshotId& snapshot, const std::string& pool) = 0;

  // The same from the present bytes of a volume, which may be open.
  virtual void clone_volume(const VolumeId& volume, std::int64_t size_gib, const VolumeId& source,
                            const std::string& pool) = 0;

  // What is written from now on goes to the pool; what is there moves in the background. The volume has no snapshots;
  // it may be open.
  virtual void migrate(const VolumeId& volume, const std::string& pool) = 0;

  // What is in the pool, with and without an owner. adopt() gives it to a new volume, which may have to grow to whole
  // GiB; rename: a snapshot that nobody owns becomes that of the other id.
  virtual std::vector<Found> found(const std::string& pool) = 0;
  virtual void adopt_volume(const VolumeId& volume, const std::string& name) = 0;
  virtual void rename_snapshot(const VolumeId& volume, const SnapshotId& from, const SnapshotId& to) = 0;

  // Copies the volume and its snapshots into the directory, so that it can be (part of) another store's: as of some
  // moment during the call, whoever writes meanwhile. Takes as long as the data is large and holds nobody up; `between`
  // is called now and then, and what it throws ends the copy. Nothing happens if there is no such volume.
  virtual void copy_volume(const VolumeId& volume, const std::filesystem::path& directory,
                           const std::function<void()>& between) = 0;

  // The volume is closed; its snapshots go with it. When it has others than these, nothing is done:
  // Error(BackendFailed) names them.
  virtual void delete_volume(const VolumeId& volume, const std::set<SnapshotId>& snapshots) = 0;

  // Never shrinks. On an open volume the exports of its device must be removed meanwhile.
  virtual void extend_volume(const VolumeId& volume, std::int64_t size_gib) = 0;

  // To be called before a snapshot or clone of the volume: waits while the work in the background that earlier
  // deletions left in its chain is too far behind, but not for what cannot be done now, nor when nothing has moved for
  // a minute.
  virtual void make_way(const VolumeId& volume) = 0;
  // How many layers of deleted snapshots a call of make_way() waits for; 0: there is none.
  virtual int layers_awaited(const VolumeId& volume) const = 0;

  // The volume may be open: what was acknowledged before the call is in the snapshot.
  virtual void create_snapshot(const VolumeId& volume, const SnapshotId& snapshot) = 0;
  virtual void delete_snapshot(const VolumeId& volume, const SnapshotId& snapshot) = 0;

  // The volume is closed. Its bytes become the snapshot's; all snapshots stay.
  virtual void rollback(const VolumeId& volume, const SnapshotId& snapshot) = 0;

  // Makes the bytes ready for an export; open already: nothing happens. close(): flushed, then let go. Those of a
  // snapshot can only be read, and have no limits.
  virtual Device open(const model::Source& source, const model::QosLimits& qos) = 0;
  virtual void close(const model::Source& source) = 0;
  virtual void set_qos(const VolumeId& volume, const model::QosLimits& qos) = 0;

  // No volume will have this key any more.
  virtual void forget_key(const KeyId& key) = 0;
  // Do bytes need it that are not deleted? Also true when that is not known. It may be known here alone: rows can be of
  // an earlier day than the bytes.
  virtual bool uses_key(const KeyId& key) = 0;

  virtual bool has_volume(const VolumeId& volume) = 0;
  virtual std::vector<VolumeId> volumes() = 0;

  // What is wrong with the bytes, in words for an operator; nullopt: nothing is known to be.
  // Calls that need them throw Error(BackendFailed) then; deletion works. Damage concerns what reads through it and
  // nothing else, and ends when the bytes can be read again. The version changes whenever an answer may have changed.
  virtual std::optional<std::string> damage(const model::Source& source) = 0;
  virtual std::uint64_t damage_version() = 0;
  // Volumes that the caller knows of and the backend does not, each time that these change: nothing that one of them
  // may need is removed until it is deleted or not named any more.
  virtual void expect(std::set<VolumeId> lost) = 0;

  virtual Usage usage(const model::Source& source) = 0;
  virtual std::vector<std::string> pools() const = 0;  // the default one first
  virtual Capacity capacity(const std::string& pool) = 0;
  // What volume types may ask for: volume_backend_name, storage_protocol, vendor_name ...
  virtual model::Metadata capabilities(const std::string& pool) const = 0;

  // How much of a cloned volume no longer depends on its source, 0..100; 100 for any other volume.
  virtual int independence_percent(const VolumeId& volume) = 0;

  // Does one piece of background work (merge or remove a layer that nothing needs, make a clone independent); false
  // when there is none to do now. As many threads as like.
  virtual bool maintain() = 0;
  // Makes a running maintain() return soon; its work goes on at a later call.
  virtual void interrupt_maintenance() = 0;

  // Called when maintain() may have work, and when an open source lost its storage daemon. From any thread.
  using LostCallback = std::function<void(const model::Source&)>;
  virtual void on_work(std::function<void()> callback) = 0;
  virtual void on_lost(LostCallback callback) = 0;
};

}  // namespace varve::backends
