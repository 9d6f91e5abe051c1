#include "backends/qcow2/manifest.h"

#include <boost/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"

namespace varve::qcow2 {

namespace json = boost::json;

namespace {

constexpr int kVersion = 2;

std::string text_of(const json::object& object, std::string_view key) {
  return std::string(object.at(key).as_string());
}

// Manifests of earlier releases lack what came later.
std::string later_text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value == nullptr ? std::string() : std::string(value->as_string());
}

// Ids become names of files: only what was made as one is taken.
template <class SomeId>
SomeId id_of(std::string text) {
  if (!text.empty() && !is_uuid(text)) throw Error(ErrorCode::BackendFailed, "'" + text + "' is no id");
  return SomeId(std::move(text));
}

template <class SomeId>
SomeId required_id(std::string text) {
  if (text.empty()) throw Error(ErrorCode::BackendFailed, "an id is missing");
  return id_of<SomeId>(std::move(text));
}

// Of what its bytes can still be counted.
constexpr std::int64_t kMostGib = 1LL << 32;

std::int64_t size_of(const json::object& in) {
  auto size = in.at("size_gib").to_number<std::int64_t>();
  if (size < 1 || size > kMostGib) throw Error(ErrorCode::BackendFailed, std::to_string(size) + " is no size in GiB");
  return size;
}

Manifest from_json(const json::object& in) {
  int version = in.at("version").to_number<int>();
  if (version < 1 || version > kVersion) {
    throw Error(ErrorCode::BackendFailed, "version " + std::to_string(version) + " is not known");
  }
  Manifest manifest;
  manifest.lists_dropped = version > 1;
  manifest.volume = required_id<VolumeId>(text_of(in, "volume"));
  if (const json::value* dropped = in.if_contains("dropped")) {
    for (const json::value& layer : dropped->as_array()) {
      manifest.dropped.insert(required_id<LayerId>(std::string(layer.as_string())));
    }
  }
  manifest.size_gib = size_of(in);
  manifest.active = required_id<LayerId>(text_of(in, "active"));
  manifest.root = id_of<LayerId>(text_of(in, "root"));
  manifest.pool = later_text_of(in, "pool");
  manifest.key = id_of<KeyId>(later_text_of(in, "key"));
  manifest.taken_from = id_of<VolumeId>(later_text_of(in, "taken_from"));
  for (const auto& [id, value] : in.at("snapshots").as_object()) {
    const json::object& frozen = value.as_object();
    manifest.snapshots[required_id<SnapshotId>(std::string(id))] = {required_id<LayerId>(text_of(frozen, "layer")),
                                                                    size_of(frozen)};
  }
  if (const json::value* intent = in.if_contains("intent")) {
    const json::object& object = intent->as_object();
    manifest.intent =
        Intent{required_id<LayerId>(text_of(object, "overlay")), id_of<SnapshotId>(text_of(object, "snapshot")),
               later_text_of(object, "pool"), object.contains("made") && object.at("made").as_bool()};
  }
  return manifest;
}

json::array list_of(const std::set<LayerId>& layers) {
  json::array out;
  for (const LayerId& layer : layers) out.emplace_back(layer.str());
  return out;
}

}  // namespace

std::set<LayerId> Manifest::referred() const {
  std::set<LayerId> out{active};
  for (const auto& [id, frozen] : snapshots) out.insert(frozen.layer);
  return out;
}

std::set<LayerId> Manifest::tops() const {
  std::set<LayerId> out = referred();
  if (intent) out.insert(intent->overlay);
  return out;
}

std::string Manifest::overlay_pool() const {
  const std::string& name = intent && !intent->pool.empty() ? intent->pool : pool;
  return name.empty() ? kDefaultPool : name;
}

std::string serialize(const Manifest& manifest) {
  json::object out{{"version", kVersion}, {"volume", manifest.volume.str()}};
  out["size_gib"] = manifest.size_gib;
  out["active"] = manifest.active.str();
  out["root"] = manifest.root.str();
  out["pool"] = manifest.pool;
  out["key"] = manifest.key.str();
  json::object snapshots;
  for (const auto& [id, frozen] : manifest.snapshots) {
    snapshots[id.str()] = json::object{{"layer", frozen.layer.str()}, {"size_gib", frozen.size_gib}};
  }
  out["snapshots"] = std::move(snapshots);
  if (manifest.intent) {
    out["intent"] = json::object{{"overlay", manifest.intent->overlay.str()},
                                 {"snapshot", manifest.intent->snapshot.str()},
                                 {"pool", manifest.intent->pool},
                                 {"made", manifest.intent->made}};
  }
  if (!manifest.taken_from.empty()) out["taken_from"] = manifest.taken_from.str();
  if (!manifest.dropped.empty()) out["dropped"] = list_of(manifest.dropped);
  return json::serialize(out) + "\n";
}

Manifest parse_manifest(std::string_view text) {
  if (trim(text).empty()) throw Error(ErrorCode::BackendFailed, "it is empty");
  try {
    return from_json(json::parse(text).as_object());
  } catch (const Error&) {
    throw;
  } catch (const boost::system::system_error& fault) {
    throw Error(ErrorCode::BackendFailed, "it is cut off or damaged: " + fault.code().message());
  } catch (const std::exception& fault) {
    throw Error(ErrorCode::BackendFailed, std::string("it is damaged: ") + fault.what());
  }
}

void save(const std::filesystem::path& file, const Manifest& manifest) {
  files::replace_atomically(file, serialize(manifest));
}

}  // namespace varve::qcow2
