#include "backends/qcow2/images.h"

#include <boost/endian/conversion.hpp>
#include <boost/json.hpp>
#include <fstream>
#include <set>

#include "base/error.h"
#include "base/files.h"

namespace varve::qcow2 {

namespace json = boost::json;

namespace {

constexpr std::int64_t kGib = 1LL << 30;
constexpr std::int64_t kBurstSeconds = 60;

std::string file_name(const LayerId& layer) {
  return layer.str() + ".qcow2";
}

// QEMU counts a burst as a higher limit that holds for a time; EVS as a bucket of tokens. The bucket of EVS lasts
// longer than any QEMU would accept at these rates, so the burst is bounded in time.
json::object throttle_limits(const model::QosLimits& qos) {
  json::object limits{{"iops-total", qos.iops}, {"bps-total", qos.bytes_per_second}};
  limits["iops-total-max"] = qos.iops_burst;
  limits["iops-total-max-length"] = qos.iops_burst > 0 ? kBurstSeconds : 1;
  return limits;
}

const std::string kThrottleGroup = "qos";
const std::string kThrottleNode = "volume";

}  // namespace

// At most 31 characters: QEMU's limit for a node name.
std::string Images::node(const LayerId& layer) {
  std::string out = "L";
  for (char c : layer.str()) {
    if (c != '-' && out.size() < 29) out += c;
  }
  return out;
}

const std::string& Images::throttle_node() {
  return kThrottleNode;
}

void Images::create(qemu::QmpClient& qmp, const LayerId& layer, std::int64_t size_gib,
                    const std::optional<LayerId>& parent) {
  std::string path = file(layer).string();
  std::string protocol = "N" + node(layer).substr(1);
  try {
    json::object empty{{"driver", "file"}, {"filename", path}, {"size", 0}};
    qmp.run_job("create-" + protocol, "blockdev-create", {{"job-id", "create-" + protocol}, {"options", empty}});
    qmp.execute("blockdev-add", {{"driver", "file"}, {"node-name", protocol}, {"filename", path}});
    try {
      json::object format{{"driver", "qcow2"}, {"file", protocol}, {"size", size_gib * kGib}};
      if (parent) {
        format["backing-file"] = file_name(*parent);
        format["backing-fmt"] = "qcow2";
      }
      qmp.run_job("format-" + protocol, "blockdev-create", {{"job-id", "format-" + protocol}, {"options", format}});
    } catch (...) {
      qmp.execute("blockdev-del", {{"node-name", protocol}});
      throw;
    }
    qmp.execute("blockdev-del", {{"node-name", protocol}});
    files::sync_directory(directory_);
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
    throw;
  }
}

void Images::add_node(qemu::QmpClient& qmp, const LayerId& layer, const std::optional<LayerId>& parent, bool writable) {
  json::object protocol{{"driver", "file"}, {"filename", file(layer).string()}, {"aio", io_.aio}, {"discard", "unmap"}};
  protocol["cache"] = json::object{{"direct", io_.direct}};
  protocol["auto-read-only"] = true;
  json::object arguments{{"driver", "qcow2"},
                         {"node-name", node(layer)},
                         {"file", std::move(protocol)},
                         {"read-only", !writable},
                         {"discard", "unmap"},
                         {"detect-zeroes", "unmap"},
                         {"cache", json::object{{"direct", io_.direct}}}};
  if (parent) {
    arguments["backing"] = node(*parent);
  } else {
    arguments["backing"] = nullptr;
  }
  qmp.execute("blockdev-add", std::move(arguments));
}

namespace {

// Not query-named-block-nodes: QEMU 7.2 asserts in it when it meets an image that a blockdev-create job is just
// opening.
json::value block_graph(qemu::QmpClient& qmp) {
  return qmp.execute("x-debug-query-block-graph");
}

std::set<std::string> open_nodes(qemu::QmpClient& qmp) {
  std::set<std::string> out;
  for (const json::value& entry : block_graph(qmp).at("nodes").as_array()) out.emplace(entry.at("name").as_string());
  return out;
}

}  // namespace

void Images::open_chain(qemu::QmpClient& qmp, const std::vector<LayerId>& chain, bool writable) {
  std::set<std::string> present = open_nodes(qmp);
  for (std::size_t i = chain.size(); i-- > 0;) {
    if (present.contains(node(chain[i]))) continue;
    std::optional<LayerId> parent;
    if (i + 1 < chain.size()) parent = chain[i + 1];
    add_node(qmp, chain[i], parent, writable && i == 0);
  }
}

void Images::close_node(qemu::QmpClient& qmp, const LayerId& layer) {
  if (is_open(qmp, layer)) qmp.execute("blockdev-del", {{"node-name", node(layer)}});
}

bool Images::is_open(qemu::QmpClient& qmp, const LayerId& layer) {
  return open_nodes(qmp).contains(node(layer));
}

bool Images::is_switched(qemu::QmpClient& qmp, const LayerId& overlay) {
  json::value graph = block_graph(qmp);
  std::int64_t id = -1;
  for (const json::value& entry : graph.at("nodes").as_array()) {
    if (entry.at("name").as_string() == node(overlay)) id = entry.at("id").to_number<std::int64_t>();
  }
  for (const json::value& edge : graph.at("edges").as_array()) {
    if (edge.at("parent").to_number<std::int64_t>() == id && edge.at("name").as_string() == "backing") return true;
  }
  return false;
}

void Images::switch_to_overlay(qemu::QmpClient& qmp, const LayerId& active, const LayerId& overlay) {
  if (!is_open(qmp, overlay)) add_node(qmp, overlay, std::nullopt, true);
  if (is_switched(qmp, overlay)) return;
  qmp.execute("blockdev-snapshot", {{"node", node(active)}, {"overlay", node(overlay)}});
}

// Through the filter: it would go on showing the old size if only the node below it grew.
void Images::resize(qemu::QmpClient& qmp, const LayerId& layer, std::int64_t size_gib) {
  bool filtered = open_nodes(qmp).contains(kThrottleNode);
  qmp.execute("block_resize", {{"node-name", filtered ? kThrottleNode : node(layer)}, {"size", size_gib * kGib}});
}

void Images::stream(qemu::QmpClient& qmp, const LayerId& target, const std::optional<LayerId>& base) {
  std::string job = stream_job(target);
  json::object arguments{{"job-id", job}, {"device", node(target)}, {"auto-dismiss", false}};
  if (base) {
    arguments["base-node"] = node(*base);
    arguments["backing-file"] = file_name(*base);
  }
  qmp.run_job(job, "block-stream", std::move(arguments));
}

void Images::add_throttle(qemu::QmpClient& qmp, const LayerId& active, const model::QosLimits& qos) {
  if (open_nodes(qmp).contains(kThrottleNode)) {
    set_throttle(qmp, qos);
    return;
  }
  qmp.execute("object-add", {{"qom-type", "throttle-group"}, {"id", kThrottleGroup}, {"limits", throttle_limits(qos)}});
  qmp.execute("blockdev-add", {{"driver", "throttle"},
                               {"node-name", kThrottleNode},
                               {"throttle-group", kThrottleGroup},
                               {"discard", "unmap"},
                               {"file", node(active)}});
}

void Images::set_throttle(qemu::QmpClient& qmp, const model::QosLimits& qos) {
  qmp.execute("qom-set",
              {{"path", "/objects/" + kThrottleGroup}, {"property", "limits"}, {"value", throttle_limits(qos)}});
}

// Layout: QEMU's docs/interop/qcow2.txt.
std::optional<Header> read_header(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  char raw[72];
  if (!in.read(raw, sizeof raw)) return std::nullopt;
  using boost::endian::load_big_u32;
  using boost::endian::load_big_u64;
  const auto* bytes = reinterpret_cast<const unsigned char*>(raw);
  constexpr std::uint32_t kMagic = 0x514649fb;  // "QFI\xfb"
  if (load_big_u32(bytes) != kMagic) return std::nullopt;
  std::uint64_t name_at = load_big_u64(bytes + 8);
  std::uint32_t name_size = load_big_u32(bytes + 16);
  Header header;
  header.virtual_size = load_big_u64(bytes + 24);
  if (name_at == 0) return header;
  if (name_size > 1023) return std::nullopt;
  std::string name(name_size, '\0');
  in.seekg(static_cast<std::streamoff>(name_at));
  if (!in.read(name.data(), name_size)) return std::nullopt;
  constexpr std::string_view kSuffix = ".qcow2";
  if (!name.ends_with(kSuffix)) return std::nullopt;
  header.parent = LayerId(name.substr(0, name.size() - kSuffix.size()));
  return header;
}

}  // namespace varve::qcow2
