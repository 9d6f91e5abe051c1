#include "backends/qcow2/manifest.h"

#include <boost/json.hpp>

#include "base/error.h"
#include "base/files.h"

namespace varve::qcow2 {

namespace json = boost::json;

void save(const std::filesystem::path& file, const Manifest& manifest) {
  json::object snapshots;
  for (const auto& [id, frozen] : manifest.snapshots) {
    snapshots[id.str()] = json::object{{"layer", frozen.layer.str()}, {"size_gib", frozen.size_gib}};
  }
  json::object out{{"version", 1},
                   {"volume", manifest.volume.str()},
                   {"size_gib", manifest.size_gib},
                   {"active", manifest.active.str()},
                   {"root", manifest.root.str()},
                   {"pool", manifest.pool},
                   {"key", manifest.key.str()},
                   {"snapshots", std::move(snapshots)}};
  if (manifest.intent) {
    out["intent"] = json::object{{"overlay", manifest.intent->overlay.str()},
                                 {"snapshot", manifest.intent->snapshot.str()},
                                 {"pool", manifest.intent->pool}};
  }
  files::replace_atomically(file, json::serialize(out) + "\n");
}

Manifest load(const std::filesystem::path& file) {
  auto text = [](const json::object& object, std::string_view key) { return std::string(object.at(key).as_string()); };
  // Manifests of earlier releases lack what came later.
  auto later = [](const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value == nullptr ? std::string() : std::string(value->as_string());
  };
  try {
    json::object in = json::parse(files::read(file)).as_object();
    if (in.at("version").to_number<int>() != 1) throw Error(ErrorCode::BackendFailed, "unknown version");
    Manifest manifest;
    manifest.volume = VolumeId(text(in, "volume"));
    manifest.size_gib = in.at("size_gib").to_number<std::int64_t>();
    manifest.active = LayerId(text(in, "active"));
    manifest.root = LayerId(text(in, "root"));
    manifest.pool = later(in, "pool");
    manifest.key = KeyId(later(in, "key"));
    for (const auto& [id, value] : in.at("snapshots").as_object()) {
      const json::object& frozen = value.as_object();
      manifest.snapshots[SnapshotId(std::string(id))] = {LayerId(text(frozen, "layer")),
                                                         frozen.at("size_gib").to_number<std::int64_t>()};
    }
    if (const json::value* intent = in.if_contains("intent")) {
      manifest.intent = Intent{LayerId(text(intent->as_object(), "overlay")),
                               SnapshotId(text(intent->as_object(), "snapshot")), later(intent->as_object(), "pool")};
    }
    return manifest;
  } catch (const std::exception& fault) {
    throw Error(ErrorCode::BackendFailed, "cannot read the manifest " + file.string() + ": " + fault.what());
  }
}

}  // namespace varve::qcow2
