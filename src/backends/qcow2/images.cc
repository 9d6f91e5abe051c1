#include "backends/qcow2/images.h"

#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <set>

#include "base/digest.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"

namespace varve::qcow2 {

namespace json = boost::json;

namespace {

constexpr std::int64_t kGib = 1LL << 30;
constexpr std::int64_t kBurstSeconds = 60;

// Of an image's tables that lead to its bytes all may be in memory: QEMU takes what the image can need, and gives back
// what was not used for ten minutes. It reads and writes them in pieces.
constexpr std::int64_t kTablesInMemory = 4 * kGib;  // for 32 TiB
constexpr std::int64_t kTablePiece = 16384;

// QEMU counts a burst as a higher limit that holds for a time; EVS as a bucket of tokens. The bucket of EVS lasts
// longer than any QEMU would accept at these rates, so the burst is bounded in time.
json::object throttle_limits(const model::QosLimits& qos) {
  json::object limits{{"iops-total", qos.iops}, {"bps-total", qos.bytes_per_second}};
  limits["iops-total-max"] = qos.iops_burst;
  limits["iops-total-max-length"] = qos.iops_burst > 0 ? kBurstSeconds : 1;
  return limits;
}

constexpr const char* kBlankNode = "blank";
constexpr std::size_t kLayerNode = 29;  // the length of a layer's node name; QEMU takes 31 characters
const std::string kThrottleGroup = "qos";
const std::string kThrottleNode = "volume";
const std::string kZeroesNode = "zeroes";
constexpr std::uint32_t kCluster = 65536;  // of the layers that are made here

// Passes on zeroes of whole clusters; others it writes as any bytes.
json::object zeroes_options(const std::string& below, std::uint32_t cluster) {
  return {{"driver", "blkdebug"},
          {"node-name", kZeroesNode},
          {"image", below},
          {"discard", "unmap"},
          {"opt-write-zero", cluster}};
}

json::object throttle_options(const std::string& below) {
  return {{"driver", "throttle"}, {"node-name", kThrottleNode}, {"throttle-group", kThrottleGroup},
          {"discard", "unmap"},   {"detect-zeroes", "on"},      {"file", below}};
}

}  // namespace

std::string Images::node(const LayerId& layer) {
  std::string out = "L";
  for (char c : layer.str()) {
    if (c != '-' && out.size() < kLayerNode) out += c;
  }
  return out;
}

const std::string& Images::throttle_node() {
  return kThrottleNode;
}

const Pool* Images::find_pool(const std::string& name) const {
  if (name.empty()) return &pools_.front();
  auto found = std::ranges::find(pools_, name, &Pool::name);
  return found == pools_.end() ? nullptr : &*found;
}

const Pool& Images::pool(const std::string& name) const {
  if (const Pool* found = find_pool(name)) return *found;
  throw Error(ErrorCode::BackendFailed, "there is no pool " + name);
}

void Images::place(const LayerId& layer, const std::string& name) {
  auto index = static_cast<std::size_t>(&pool(name) - pools_.data());
  MutexLock lock(places_mutex_);
  index > 0 ? (void)(places_[layer] = index) : (void)places_.erase(layer);
}

bool Images::locate(const LayerId& layer, const std::set<std::string>& but_for) {
  std::string name = layer.str() + std::string(kLayerSuffix);
  for (const Pool& pool : pools_) {
    std::error_code unknown;
    if (but_for.contains(pool.name) || !std::filesystem::exists(pool.layers() / name, unknown)) continue;
    place(layer, pool.name);
    return true;
  }
  return false;
}

const Pool& Images::pool_of(const LayerId& layer) const {
  MutexLock lock(places_mutex_);
  auto found = places_.find(layer);
  return pools_[found == places_.end() ? 0 : found->second];
}

// Relative within a pool, so that a pool can be moved as a whole.
std::string Images::backing_name(const LayerId& layer, const LayerId& parent) const {
  if (&pool_of(layer) == &pool_of(parent)) return file(parent).filename().string();
  return file(parent).string();
}

namespace {

// A daemon has no /objects before its first object.
bool has_object(qemu::QmpClient& qmp, const std::string& id) {
  json::value roots = qmp.execute("qom-list", {{"path", "/"}});
  for (const json::value& root : roots.as_array()) {
    if (root.at("name").as_string() != "objects") continue;
    json::value objects = qmp.execute("qom-list", {{"path", "/objects"}});
    for (const json::value& entry : objects.as_array()) {
      if (entry.at("name").as_string() == id) return true;
    }
  }
  return false;
}

}  // namespace

std::string Images::add_secret(qemu::QmpClient& qmp, const KeyId& key) {
  std::string id = "key-" + key.str();
  if (has_object(qmp, id)) return id;
  try {
    // As hexadecimal text: LUKS takes its passphrase as UTF-8.
    json::object secret{{"qom-type", "secret"}, {"id", id}, {"data", to_hex(secret_of_(key))}, {"format", "raw"}};
    qmp.execute("object-add", std::move(secret));
  } catch (const Error&) {
    if (!has_object(qmp, id)) throw;  // else another call was faster
  }
  return id;
}

// After a fault, which it must not hide. A pool that does not even do this is replaced, and its nodes are gone with it.
void Images::remove_node(qemu::QmpClient& qmp, const std::string& name) {
  try {
    qmp.execute("blockdev-del", {{"node-name", name}});
  } catch (const Error& fault) {
    log::error("a node was left in a storage daemon", {{"node", name}, {"error", fault.message()}});
  }
}

// What blockdev-create makes of the options; the file is empty at first. Not with extended-l2, which would make the
// first small writes after a snapshot cheaper: QEMU 7.2 aborts when it merges into such an image (ADR 12). Node and job
// are named after the file.
void Images::format(qemu::QmpClient& qmp, const std::filesystem::path& path, const std::string& name,
                    json::object options) {
  json::object empty{{"driver", "file"}, {"filename", path.string()}, {"size", 0}};
  qmp.run_job("create-" + name, "blockdev-create", {{"job-id", "create-" + name}, {"options", empty}});
  qmp.execute("blockdev-add", {{"driver", "file"}, {"node-name", name}, {"filename", path.string()}});
  try {
    options["driver"] = "qcow2";
    options["file"] = name;
    qmp.run_job("format-" + name, "blockdev-create", {{"job-id", "format-" + name}, {"options", std::move(options)}});
  } catch (const Error&) {
    remove_node(qmp, name);
    throw;
  }
  qmp.execute("blockdev-del", {{"node-name", name}});
}

void Images::create_encrypted(qemu::QmpClient& qmp, const LayerId& layer, std::int64_t size,
                              const std::optional<std::string>& backing, const KeyId& key) {
  EncryptedLayers::Format format_template = [&](const std::filesystem::path& path, std::int64_t bytes,
                                                const std::string& placeholder) {
    // The passphrase is as random as the key: stretching it would gain nothing.
    constexpr int kStretchMs = 10;
    json::object encrypt{{"format", "luks"}, {"key-secret", add_secret(qmp, key)}, {"iter-time", kStretchMs}};
    format(qmp, path, "T" + node(layer).substr(1),
           {{"size", bytes}, {"backing-file", placeholder}, {"backing-fmt", "qcow2"}, {"encrypt", std::move(encrypt)}});
  };
  encrypted_.create(draft(layer), key, size, backing, format_template);
}

void Images::create(qemu::QmpClient& qmp, const LayerId& layer, std::int64_t size_gib,
                    const std::optional<LayerId>& parent, const KeyId& key) {
  std::optional<std::string> backing;
  if (parent) backing = backing_name(layer, *parent);
  try {
    if (key.empty()) {
      json::object options{{"size", size_gib * kGib}};
      if (backing) {
        options["backing-file"] = *backing;
        options["backing-fmt"] = "qcow2";
      }
      format(qmp, draft(layer), "N" + node(layer).substr(1), std::move(options));
    } else {
      create_encrypted(qmp, layer, size_gib * kGib, backing, key);
    }
    files::sync_directory(pool_of(layer).layers());
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(draft(layer), ignored);
    throw;
  }
}

void Images::settle(const LayerId& layer) {
  if (fault::fails(fault::Kind::Rename) || ::rename(draft(layer).c_str(), file(layer).c_str()) != 0) {
    throw files::fault_of(errno, "cannot rename " + draft(layer).string());
  }
}

void Images::sync_name(const LayerId& layer) {
  files::sync_directory(pool_of(layer).layers());
}

void Images::discard_draft(const LayerId& layer) {
  files::remove_durably(draft(layer));
}

void Images::forget_key(const KeyId& key) {
  for (const Pool& pool : pools_) {
    for (std::string_view suffix : {kLayerSuffix, kDraftSuffix}) {
      files::remove_durably(pool.root / "templates" / (key.str() + std::string(suffix)));
    }
  }
}

// How a layer is opened. file: the node below it, or how that is made.
json::object Images::node_options(qemu::QmpClient& qmp, const LayerId& layer, bool writable, const KeyId& key,
                                  json::value file_node, json::value backing) {
  json::object options{{"driver", "qcow2"},
                       {"node-name", node(layer)},
                       {"file", std::move(file_node)},
                       {"read-only", !writable},
                       {"discard", "unmap"},
                       {"cache", json::object{{"direct", pool_of(layer).io.direct}}},
                       {"l2-cache-size", kTablesInMemory},
                       {"l2-cache-entry-size", kTablePiece},
                       {"backing", std::move(backing)}};
  if (!key.empty() && require_header(file(layer)).encrypted) {
    options["encrypt"] = json::object{{"format", "luks"}, {"key-secret", add_secret(qmp, key)}};
    // Its first table is of the largest size there is (ADR 9): to look for each write whether it hits one of the tables
    // that this one may name would take longer than the write.
    options["overlap-check"] = "constant";
  }
  return options;
}

void Images::add_node(qemu::QmpClient& qmp, const LayerId& layer, const std::optional<LayerId>& parent, bool writable,
                      const KeyId& key) {
  const IoOptions& io = pool_of(layer).io;
  json::object protocol{{"driver", "file"}, {"filename", file(layer).string()}, {"aio", io.aio}, {"discard", "unmap"}};
  protocol["cache"] = json::object{{"direct", io.direct}};
  protocol["auto-read-only"] = true;
  json::value backing = nullptr;
  if (parent) backing = node(*parent);
  qmp.execute("blockdev-add", node_options(qmp, layer, writable, key, std::move(protocol), std::move(backing)));
}

namespace {

// Not query-named-block-nodes: QEMU 7.2 asserts in it when it meets an image that a blockdev-create job is just
// opening.
struct BlockGraph {
  explicit BlockGraph(qemu::QmpClient& qmp) {
    json::value graph = qmp.execute("x-debug-query-block-graph");
    std::map<std::int64_t, std::string> names;
    for (const json::value& entry : graph.at("nodes").as_array()) {
      std::string name(entry.at("name").as_string());
      names[entry.at("id").to_number<std::int64_t>()] = name;
      nodes.insert(std::move(name));
    }
    for (const json::value& edge : graph.at("edges").as_array()) {
      const std::string& parent = names[edge.at("parent").to_number<std::int64_t>()];
      const std::string& child = names[edge.at("child").to_number<std::int64_t>()];
      used.insert(child);
      if (edge.at("name").as_string() == "backing") backing[parent] = child;
      if (edge.at("name").as_string() != "file") continue;
      file[parent] = child;
      const json::array& allowed = edge.at("perm").as_array();
      if (std::ranges::find(allowed, json::value("write")) != allowed.end()) written.insert(parent);
    }
  }

  std::set<std::string> nodes;
  std::set<std::string> used;                  // those that something stands on
  std::set<std::string> written;               // those that may write to their files
  std::map<std::string, std::string> backing;  // by the node above
  std::map<std::string, std::string> file;
};

std::set<std::string> open_nodes(qemu::QmpClient& qmp) {
  return BlockGraph(qmp).nodes;
}

bool is_layer(const std::string& name) {
  return name.size() == kLayerNode && name.front() == 'L';
}

}  // namespace

void Images::open_chain(qemu::QmpClient& qmp, const std::vector<LayerId>& chain, bool writable, const KeyId& key) {
  std::set<std::string> present = open_nodes(qmp);
  for (std::size_t i = chain.size(); i-- > 0;) {
    if (present.contains(node(chain[i]))) continue;
    std::optional<LayerId> parent;
    if (i + 1 < chain.size()) parent = chain[i + 1];
    add_node(qmp, chain[i], parent, writable && i == 0, key);
  }
}

void Images::close_node(qemu::QmpClient& qmp, const LayerId& layer) {
  if (is_open(qmp, layer)) qmp.execute("blockdev-del", {{"node-name", node(layer)}});
}

bool Images::is_open(qemu::QmpClient& qmp, const LayerId& layer) {
  return open_nodes(qmp).contains(node(layer));
}

bool Images::stands_on(qemu::QmpClient& qmp, const LayerId& layer, const std::optional<LayerId>& base) {
  BlockGraph graph(qmp);
  if (!graph.nodes.contains(node(layer))) return false;
  auto found = graph.backing.find(node(layer));
  if (!base) return found == graph.backing.end();
  return found != graph.backing.end() && found->second == node(*base);
}

void Images::close_others(qemu::QmpClient& qmp, const std::vector<LayerId>& chain) {
  std::set<std::string> kept;
  for (const LayerId& layer : chain) kept.insert(node(layer));
  for (bool closed = true; closed;) {
    closed = false;
    BlockGraph graph(qmp);
    for (const std::string& name : graph.nodes) {
      if (!is_layer(name) || kept.contains(name) || graph.used.contains(name)) continue;
      qmp.execute("blockdev-del", {{"node-name", name}});
      closed = true;
    }
  }
}

void Images::switch_to_overlay(qemu::QmpClient& qmp, const LayerId& active, const LayerId& overlay, const KeyId& key) {
  if (!is_open(qmp, overlay)) add_node(qmp, overlay, std::nullopt, true, key);
  if (!stands_on(qmp, overlay, std::nullopt)) return;  // switched already
  BlockGraph graph(qmp);
  if (graph.nodes.contains(kThrottleNode)) add_zeroes(qmp, active, key, graph.file[kThrottleNode]);
  qmp.execute("blockdev-snapshot", {{"node", node(active)}, {"overlay", node(overlay)}});
}

// Through the filter: it would go on showing the old size if only the node below it grew.
void Images::resize(qemu::QmpClient& qmp, const LayerId& layer, std::int64_t size_gib) {
  bool filtered = open_nodes(qmp).contains(kThrottleNode);
  qmp.execute("block_resize", {{"node-name", filtered ? kThrottleNode : node(layer)}, {"size", size_gib * kGib}});
}

// QEMU ends the job by writing the new backing file into the header at once, while the tables that lead to the copied
// bytes are still in its memory: a daemon that is killed then leaves zeros in their place. So the job's end waits for
// them.
void Images::stream(qemu::QmpClient& qmp, const LayerId& target, const std::optional<LayerId>& base, const KeyId& key) {
  std::string job = stream_job(target);
  json::object arguments{{"job-id", job}, {"device", node(target)}, {"auto-dismiss", false}, {"auto-finalize", false}};
  if (base) {
    arguments["base-node"] = node(*base);
    arguments["backing-file"] = backing_name(target, *base);
  }
  std::function<void()> flush_target = [&] { flush(qmp, target, key); };
  qmp.run_job(job, "block-stream", std::move(arguments), flush_target);
}

// The monitor has no command for it; opening a node again as it is begins with one (QEMU's bdrv_reopen_prepare).
void Images::flush(qemu::QmpClient& qmp, const LayerId& layer, const KeyId& key) {
  reopen(qmp, layer, true, key);
}

void Images::reopen(qemu::QmpClient& qmp, const LayerId& layer, bool writable, const KeyId& key) {
  BlockGraph graph(qmp);
  auto below = graph.backing.find(node(layer));
  json::value backing = nullptr;
  if (below != graph.backing.end()) backing = below->second;
  json::array all{node_options(qmp, layer, writable, key, json::string(graph.file[node(layer)]), std::move(backing))};
  qmp.execute("blockdev-reopen", {{"options", std::move(all)}});
}

// A merge has its target open for writing, and one that is cancelled while that is opened anew leaves it so. Nobody
// else could open the layer then.
void Images::seal(qemu::QmpClient& qmp, const std::vector<LayerId>& layers, const KeyId& key) {
  try {
    BlockGraph graph(qmp);
    for (const LayerId& layer : layers) {
      if (!graph.written.contains(node(layer))) continue;
      reopen(qmp, layer, false, key);
      log::warning("a frozen layer was open for writing", {{"layer", layer}});
    }
  } catch (const Error& fault) {
    log::debug("layers are not sealed", {{"error", fault.message()}});
  }
}

void Images::add_filters(qemu::QmpClient& qmp, const LayerId& active, const KeyId& key, const model::QosLimits& qos) {
  if (has_object(qmp, kThrottleGroup)) {
    set_throttle(qmp, qos);
  } else {
    qmp.execute("object-add",
                {{"qom-type", "throttle-group"}, {"id", kThrottleGroup}, {"limits", throttle_limits(qos)}});
  }
  // An earlier call may have been cut off anywhere.
  BlockGraph graph(qmp);
  if (!graph.nodes.contains(kThrottleNode)) {
    if (!graph.nodes.contains(kBlankNode)) add_blank(qmp, active);
    qmp.execute("blockdev-add", throttle_options(kBlankNode));
    graph = BlockGraph(qmp);
  }
  bool is_blank = graph.nodes.contains(kBlankNode);
  // An older varved, which had no filter, opened the layer in another way.
  bool is_old = graph.file[kThrottleNode] == node(active) && !is_blank;
  if (graph.backing.contains(node(active)) || is_old) {
    add_zeroes(qmp, active, key, graph.file[kThrottleNode]);
    if (is_blank) qmp.execute("blockdev-del", {{"node-name", kBlankNode}});
  } else if (graph.file[kThrottleNode] == kBlankNode) {
    qmp.execute("blockdev-reopen", {{"options", json::array{throttle_options(node(active))}}});
  }
}

// QEMU 7.2 does not keep apart two requests to one cluster of which one zeroes a part of it: when the other makes room
// for the cluster at the same time, what was zeroed is again what the layer below has; and with the permission to give
// room back, the cluster is freed under the other's write. So no layer is asked to zero a part of a cluster, by whoever
// writes zeroes. QEMU's blkdebug, which was made for tests, is the only filter that sees to that (opt-write-zero).
// It costs (ADR 12), so a layer without another one below goes without it.
void Images::add_zeroes(qemu::QmpClient& qmp, const LayerId& active, const KeyId& key, const std::string& shown) {
  if (shown == kZeroesNode) return;
  if (shown != kBlankNode) flush(qmp, active, key);  // opens it anew, without what an older varved asked for
  std::uint32_t cluster = std::max(kCluster, require_header(file(active)).cluster_bytes);
  if (!open_nodes(qmp).contains(kZeroesNode)) qmp.execute("blockdev-add", zeroes_options(node(active), cluster));
  qmp.execute("blockdev-reopen", {{"options", json::array{throttle_options(kZeroesNode)}}});
}

// A filter takes over from the node that it is opened on whether it passes the permission to give room back on. So the
// first one is opened on a node that knows none, and put on the layer afterwards. Discards, which are of whole
// clusters, go on giving room back. That node stays while the throttle is on a layer without the other filter, and so
// tells how it was opened.
void Images::add_blank(qemu::QmpClient& qmp, const LayerId& active) const {
  auto size = static_cast<std::int64_t>(require_header(file(active)).virtual_size);
  qmp.execute("blockdev-add", {{"driver", "null-co"}, {"node-name", kBlankNode}, {"size", size}, {"discard", "unmap"}});
}

void Images::set_throttle(qemu::QmpClient& qmp, const model::QosLimits& qos) {
  qmp.execute("qom-set",
              {{"path", "/objects/" + kThrottleGroup}, {"property", "limits"}, {"value", throttle_limits(qos)}});
}

}  // namespace varve::qcow2
