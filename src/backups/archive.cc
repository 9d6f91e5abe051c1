#include "backups/archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "base/cipher.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/text.h"

namespace varve::backups {

namespace {

constexpr std::string_view kMagic = "varve-backup 1";

[[noreturn]] void broken(const std::string& what) {
  throw Error(ErrorCode::BackendFailed, std::string(kDamagedArchive) + "its manifest: " + what);
}

void require_going(const Archive::Cancelled& cancelled) {
  if (cancelled && cancelled()) throw Error(ErrorCode::Unavailable, "the backup was interrupted");
}

std::string_view next_line(std::string_view& text) {
  std::size_t end = text.find('\n');
  if (end == std::string_view::npos) broken("it is cut off");
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

std::string_view next_word(std::string_view& line) {
  std::size_t end = std::min(line.find(' '), line.size());
  std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

std::uint64_t number(std::string_view word) {
  std::optional<std::int64_t> value = parse_int(word);
  if (!value || *value < 0) broken("'" + std::string(word.substr(0, 40)) + "' is no number");
  return static_cast<std::uint64_t>(*value);
}

std::uint64_t chunk_length(std::uint64_t size, std::uint64_t number) {
  return std::min(kChunkBytes, size - number * kChunkBytes);
}

bool is_zero(std::string_view bytes) {
  return std::ranges::all_of(bytes, [](char c) { return c == 0; });
}

// Whoever can write to the object store must not lead varved elsewhere.
void require_sound(const Manifest& manifest) {
  if (manifest.archives.empty()) broken("it names no archive");
  if (!std::ranges::all_of(manifest.archives, is_uuid)) broken("the name of an archive is none");
  std::uint64_t next = 0;
  std::uint64_t end = manifest.size / kChunkBytes + (manifest.size % kChunkBytes == 0 ? 0 : 1);
  for (const Chunk& chunk : manifest.chunks) {
    if (chunk.archive >= manifest.archives.size() || chunk.number < next || chunk.number >= end) {
      broken("a chunk is out of range or order");
    }
    next = chunk.number + 1;
  }
}

}  // namespace

std::string encode(const Manifest& manifest) {
  std::string out = fmt::format("{}\nsize {}\nvolume {}\n", kMagic, manifest.size, manifest.volume);
  if (manifest.sealed) out += "sealed\n";
  for (const std::string& archive : manifest.archives) out += "archive " + archive + "\n";
  for (const Chunk& chunk : manifest.chunks) {
    out += fmt::format("chunk {} {} {}\n", chunk.number, chunk.archive, chunk.hash);
  }
  return out + "end\n";
}

Manifest decode(const std::string& text) {
  std::string_view rest = text;
  if (next_line(rest) != kMagic) broken("its version is not known");
  Manifest manifest;
  for (;;) {
    std::string_view line = next_line(rest);
    std::string_view key = next_word(line);
    if (key == "end") break;
    if (key == "size") {
      manifest.size = number(line);
    } else if (key == "volume") {
      manifest.volume = line;
    } else if (key == "sealed") {
      manifest.sealed = true;
    } else if (key == "archive") {
      manifest.archives.emplace_back(line);
    } else if (key == "chunk") {
      Chunk chunk;
      chunk.number = number(next_word(line));
      chunk.archive = number(next_word(line));
      chunk.hash = line;
      manifest.chunks.push_back(std::move(chunk));
    } else {
      broken("it has a line '" + std::string(key.substr(0, 40)) + "'");
    }
  }
  require_sound(manifest);
  return manifest;
}

std::string Archive::chunk_name(const std::string& archive, std::uint64_t number) const {
  return fmt::format("{}/{:012x}", archive, number);
}

std::optional<Manifest> Archive::manifest() const {
  std::optional<std::string> text = store_.get(name_ + "/manifest");
  if (!text) return std::nullopt;
  return decode(*text);
}

Manifest Archive::required_manifest() const {
  std::optional<Manifest> found = manifest();
  if (!found) throw Error(ErrorCode::BackendFailed, std::string(kDamagedArchive) + name_ + " is not there");
  return std::move(*found);
}

std::optional<std::string> Archive::missing_object(const Manifest& manifest) const {
  std::vector<std::set<std::string>> present;
  for (const std::string& archive : manifest.archives) {
    std::vector<std::string> names = store_.list(archive + "/");
    present.emplace_back(std::make_move_iterator(names.begin()), std::make_move_iterator(names.end()));
  }
  for (const Chunk& chunk : manifest.chunks) {
    std::string name = chunk_name(manifest.archives[chunk.archive], chunk.number);
    if (!present[chunk.archive].contains(name)) return name;
  }
  return std::nullopt;
}

Manifest Archive::write(blocks::Device& device, const std::string& volume, const std::optional<Manifest>& parent,
                        const Cancelled& cancelled) {
  Manifest manifest;
  manifest.size = device.size();
  manifest.volume = volume;
  manifest.sealed = !key_.empty();
  manifest.archives.push_back(name_);
  std::map<std::uint64_t, const Chunk*> before;
  std::map<std::string, std::size_t> places;
  if (parent) {
    for (const Chunk& chunk : parent->chunks) before[chunk.number] = &chunk;
  }
  auto place_of = [&](const std::string& archive) {
    auto [found, added] = places.try_emplace(archive, manifest.archives.size());
    if (added) manifest.archives.push_back(archive);
    return found->second;
  };
  std::string bytes;
  for (std::uint64_t number = 0; number * kChunkBytes < manifest.size; ++number) {
    require_going(cancelled);
    std::uint64_t offset = number * kChunkBytes;
    bytes.assign(chunk_length(manifest.size, number), '\0');
    bool written = false;
    for (const blocks::Extent& extent : device.extents(offset, bytes.size())) {
      if (extent.zero) continue;
      device.read(extent.offset, std::span(bytes).subspan(extent.offset - offset, extent.length));
      written = true;
    }
    if (!written || is_zero(bytes)) continue;
    Chunk chunk{number, 0, hash(bytes)};
    auto earlier = before.find(number);
    if (earlier != before.end() && earlier->second->hash == chunk.hash) {
      chunk.archive = place_of(parent->archives[earlier->second->archive]);
    } else {
      put_chunk(chunk_name(name_, number), bytes);
    }
    manifest.chunks.push_back(std::move(chunk));
  }
  store_.put(name_ + "/manifest", encode(manifest));
  return manifest;
}

std::string Archive::hash(std::string_view bytes) const {
  return key_.empty() ? sha256_hex(bytes) : hmac_sha256_hex(key_, bytes);
}

void Archive::put_chunk(const std::string& name, const std::string& bytes) {
  if (key_.empty()) return store_.put(name, bytes);
  std::string nonce(kNonceBytes, '\0');
  rng_.fill(nonce.data(), nonce.size());
  store_.put(name, nonce + seal(key_, nonce, name, bytes));
}

std::string Archive::read_chunk(const Manifest& manifest, const Chunk& chunk, std::uint64_t length) const {
  std::string name = chunk_name(manifest.archives[chunk.archive], chunk.number);
  std::optional<std::string> bytes = store_.get(name);
  if (!bytes) throw Error(ErrorCode::BackendFailed, std::string(kDamagedArchive) + name + " is missing");
  if (!key_.empty()) {
    std::string_view object = *bytes;
    std::string_view nonce = object.substr(0, kNonceBytes);
    bytes = open_sealed(key_, nonce, name, object.substr(nonce.size()));
  }
  if (bytes->size() != length || hash(*bytes) != chunk.hash) {
    throw Error(ErrorCode::BackendFailed, std::string(kDamagedArchive) + name + " has changed");
  }
  return std::move(*bytes);
}

void Archive::restore(blocks::Device& device, bool fresh, const Cancelled& cancelled) const {
  Manifest manifest = required_manifest();
  if (manifest.sealed == key_.empty()) broken("it is sealed, or not, against expectation");
  if (device.size() < manifest.size) {
    throw Error(ErrorCode::BackendFailed, "the backup is larger than the volume");
  }
  if (std::optional<std::string> missing = missing_object(manifest)) {
    throw Error(ErrorCode::BackendFailed, std::string(kDamagedArchive) + *missing + " is missing");
  }
  std::uint64_t done = 0;
  auto zero_until = [&](std::uint64_t end) {
    if (!fresh && end > done) device.zero(done, end - done);
  };
  for (const Chunk& chunk : manifest.chunks) {
    require_going(cancelled);
    std::uint64_t offset = chunk.number * kChunkBytes;
    std::string bytes = read_chunk(manifest, chunk, chunk_length(manifest.size, chunk.number));
    zero_until(offset);
    device.write(offset, bytes);
    done = offset + bytes.size();
  }
  zero_until(device.size());
  device.flush();
}

// The manifest first: what is left after a crash is then no archive any more.
void Archive::remove() {
  store_.remove(name_ + "/manifest");
  for (const std::string& name : store_.list(name_ + "/")) store_.remove(name);
}

}  // namespace varve::backups
