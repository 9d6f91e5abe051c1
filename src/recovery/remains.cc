#include "recovery/remains.h"

#include <boost/json.hpp>

#include "backends/qcow2/survey.h"
#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/text.h"
#include "exports/nbd/connection.h"

namespace varve::recovery {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

Bytes bytes_of(const VolumeId& id, const qcow2::ManifestFile& file) {
  Bytes bytes;
  if (!file.manifest) {
    log::error("a manifest cannot be read", {{"volume", id}, {"error", file.manifest.error()}});
    return bytes;
  }
  bytes.readable = true;
  bytes.size_gib = file.manifest->size_gib;
  bytes.pool = file.manifest->pool;
  bytes.key = file.manifest->key.str();
  for (const auto& [snapshot, frozen] : file.manifest->snapshots) bytes.snapshots[snapshot] = frozen.size_gib;
  // One that is being taken: it will be there.
  const std::optional<qcow2::Intent>& intent = file.manifest->intent;
  if (intent && intent->made && !intent->snapshot.empty()) bytes.snapshots[intent->snapshot] = bytes.size_gib;
  return bytes;
}

template <class Each>
void each_json(const fs::path& directory, const Each& each) {
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(directory, none)) {
    std::string id = entry.path().stem().string();
    if (entry.path().extension() == ".json" && is_uuid(id)) each(VolumeId(id), entry.path());
  }
}

// How a client of the daemon's export reaches it.
model::Connection connection_of(const qemu::StorageDaemon& daemon, const std::string& host,
                                const AttachmentId& attachment) {
  fs::path port = daemon.directory() / "nbd.port";
  if (!fs::exists(port)) return nbd::unix_connection(daemon.directory() / "nbd.sock", attachment);
  return nbd::tcp_connection(host, static_cast<int>(parse_int(trim(files::read(port))).value_or(0)), attachment);
}

}  // namespace

std::map<std::string, std::string> described_backups(const json::object& catalogue) {
  std::map<std::string, std::string> out;
  const json::value* rows = catalogue.if_contains("backups");
  if (rows == nullptr || !rows->is_array()) return out;
  for (const json::value& row : rows->as_array()) {
    if (!row.is_object()) continue;
    std::string archive = services::text_in(row.as_object(), "archive");
    if (is_uuid(archive)) out[services::text_in(row.as_object(), "id")] = archive;
  }
  return out;
}

Remains read_remains(const fs::path& store) {
  Remains out;
  qcow2::Survey found = qcow2::survey(store, {});
  for (const auto& [id, file] : found.manifests) out.bytes[id] = bytes_of(id, file);
  each_json(services::volume_descriptions(store), [&](const VolumeId& id, const fs::path& file) {
    if (auto description = services::read_description(file)) out.descriptions[id] = std::move(*description);
  });
  out.catalogue = services::read_catalogue(store);
  return out;
}

namespace {

// Throws when it does not tell.
void add_exports(std::vector<LiveExport>& out, const std::shared_ptr<qemu::StorageDaemon>& daemon,
                 const std::string& nbd_host) {
  constexpr std::string_view kExport = "export-";
  json::value exports = daemon->qmp().execute("query-block-exports");
  for (const json::value& one : exports.as_array()) {
    std::string id(one.at("id").as_string());
    if (!id.starts_with(kExport)) continue;
    AttachmentId attachment(id.substr(kExport.size()));
    out.push_back({daemon->key(), attachment, connection_of(*daemon, nbd_host, attachment)});
  }
}

}  // namespace

std::vector<LiveExport> live_exports(qemu::StorageDaemons& daemons, const std::string& nbd_host) {
  std::vector<LiveExport> out;
  daemons.adopt_all();
  for (const std::string& key : daemons.keys()) {
    if (key == "pool") continue;
    try {
      std::shared_ptr<qemu::StorageDaemon> daemon = daemons.find(key);
      if (!daemon) continue;
      if (daemon->qmp().ready_by({})) {
        add_exports(out, daemon, nbd_host);
        continue;
      }
      log::error("a storage daemon does not tell what it exports; somebody may be served", {{"daemon", key}});
    } catch (const std::exception& fault) {
      log::error("a storage daemon does not tell what it exports", {{"daemon", key}, {"error", fault.what()}});
    }
    if (is_uuid(key)) out.push_back({key, AttachmentId(), {}});
  }
  return out;
}

}  // namespace varve::recovery
