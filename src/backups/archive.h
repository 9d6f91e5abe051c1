// The format of a backup in an object store.
//
// A volume is cut into chunks of 4 MiB. `<archive>/<chunk number, 12 hex digits>` holds the bytes of one chunk; a chunk
// that reads as zeros has no object. `<archive>/manifest` is written last: an archive without one is not whole. It is
// lines of text:
//   varve-backup 1
//   size <bytes>
//   volume <JSON object: what the volume was>
//   sealed                                        only when the objects are sealed
//   archive <archive whose objects are used>      one a line; the first is this archive itself
//   chunk <number> <which archive line, from 0> <sha256 of the bytes>
// An incremental archive refers to the chunks that have not changed in the archives where they lie, so that a restore
// reads one manifest. Objects of an encrypted volume are sealed (base/cipher.h): nonce, then the sealed bytes; the
// object's name is the associated data, and the hash a keyed one, so that it tells nothing. Every chunk is checked
// against its hash when it is read.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "backups/object_store.h"
#include "base/rng.h"
#include "blocks/device.h"

namespace varve::backups {

inline constexpr std::uint64_t kChunkBytes = 4U << 20;
// A BackendFailed that says that objects are not what they were has this in its text.
inline constexpr std::string_view kDamagedArchive = "the objects of a backup are damaged: ";

struct Chunk {
  std::uint64_t number = 0;
  std::size_t archive = 0;  // index into Manifest::archives
  std::string hash;
};

struct Manifest {
  std::uint64_t size = 0;
  std::string volume = "{}";  // opaque here
  bool sealed = false;
  std::vector<std::string> archives;  // first: this one
  std::vector<Chunk> chunks;          // by number
};

std::string encode(const Manifest& manifest);
// Throws Error(BackendFailed) for what is not a manifest of this version.
Manifest decode(const std::string& text);

class Archive {
 public:
  // name: a uuid. key: 32 bytes that seal the chunks, or "".
  Archive(ObjectStore& store, std::string name, std::string key, Rng& rng)
      : store_(store), name_(std::move(name)), key_(std::move(key)), rng_(rng) {}

  using Cancelled = std::function<bool()>;

  // Whole or not there.
  std::optional<Manifest> manifest() const;
  Manifest required_manifest() const;  // throws Error(BackendFailed) when it is not there
  // An object that the manifest names and that is nowhere; nullopt: all are there. They are listed, not read.
  std::optional<std::string> missing_object(const Manifest& manifest) const;

  // Copies the device. parent: an archive of an earlier state of it. Returns what was written; may be repeated.
  // Throws Error(Unavailable) when cancelled.
  Manifest write(blocks::Device& device, const std::string& volume, const std::optional<Manifest>& parent,
                 const Cancelled& cancelled);

  // Makes the device's first manifest.size bytes those of the archive. fresh: all of the device is zeros already.
  // Nothing is written when an object is missing.
  void restore(blocks::Device& device, bool fresh, const Cancelled& cancelled) const;

  // Every object of this archive; those of others stay.
  void remove();

 private:
  std::string chunk_name(const std::string& archive, std::uint64_t number) const;
  std::string hash(std::string_view bytes) const;
  void put_chunk(const std::string& name, const std::string& bytes);
  std::string read_chunk(const Manifest& manifest, const Chunk& chunk, std::uint64_t length) const;

  ObjectStore& store_;
  const std::string name_;
  const std::string key_;
  Rng& rng_;
};

}  // namespace varve::backups
