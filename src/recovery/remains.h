// What lies beside the database: manifests, descriptions, and the exports of storage daemons that still run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/id.h"
#include "model/connection.h"
#include "qemu/storage_daemons.h"
#include "services/descriptions.h"

namespace varve::recovery {

// Of a volume's manifest (backends/qcow2/manifest.h), what a row can be made of.
struct Bytes {
  bool readable = false;
  std::int64_t size_gib = 0;
  std::string pool;
  std::string key;
  std::map<SnapshotId, std::int64_t> snapshots;  // with their sizes
};

// An export that a client may be using now.
struct LiveExport {
  std::string source;       // a volume's id or "snapshot-<id>"
  AttachmentId attachment;  // "": the daemon does not answer, and serves whomever it serves
  model::Connection connection;
};

struct Remains {
  std::map<VolumeId, Bytes> bytes;
  std::map<VolumeId, services::VolumeDescription> descriptions;
  boost::json::object catalogue;
  std::vector<LiveExport> exports;
  std::set<std::string> backups;  // of the catalogue, by their ids: those that a sound database may lack

  bool any() const { return !bytes.empty() || !descriptions.empty() || !catalogue.empty(); }
};

// Those that the catalogue has: the names of their archives by their ids.
std::map<std::string, std::string> described_backups(const boost::json::object& catalogue);

// Without the exports.
Remains read_remains(const std::filesystem::path& store);

// nbd_host: of the exports that are served over TCP. Waits for all daemons together, and for no silent one again.
std::vector<LiveExport> live_exports(qemu::StorageDaemons& daemons, const std::string& nbd_host);

}  // namespace varve::recovery
