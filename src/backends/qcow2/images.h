// Layers as files and as nodes of a storage daemon's block graph: what the backend asks of QEMU, one function a wish.
// A layer's node is named after its id, so that any daemon's state can be compared with what should be.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backends/qcow2/encrypted_layers.h"
#include "backends/qcow2/survey.h"
#include "base/id.h"
#include "base/mutex.h"
#include "model/resources.h"
#include "qemu/qmp_client.h"

namespace varve::qcow2 {

// What the host's file system and kernel can do; found out once.
struct IoOptions {
  std::string aio = "threads";
  bool direct = false;
};

// A directory of layers, perhaps on a disk of its own.
struct Pool : PoolDirectories {
  IoOptions io;
};

class Images {
 public:
  using SecretOf = std::function<std::string(const KeyId&)>;  // the secret's bytes

  // pools: the default one first.
  Images(std::vector<Pool> pools, SecretOf secret_of) : pools_(std::move(pools)), secret_of_(std::move(secret_of)) {}

  const std::vector<Pool>& pools() const { return pools_; }
  // Before anybody works.
  void set_io(const Pool& pool, const IoOptions& io) {
    pools_[static_cast<std::size_t>(&pool - pools_.data())].io = io;
  }
  const Pool* find_pool(const std::string& name) const;  // nullptr: the configuration has none of that name
  const Pool& pool(const std::string& name) const;       // "": the default one. Throws Error(BackendFailed)

  // Which pool a layer's file is in; one that nobody told of is in the default pool. Any thread.
  void place(const LayerId& layer, const std::string& pool);
  // Its file may have been put, or have come back, into any pool; false: it is in none but perhaps in one of `but_for`,
  // which are not looked into.
  bool locate(const LayerId& layer, const std::set<std::string>& but_for);
  const Pool& pool_of(const LayerId& layer) const;
  std::filesystem::path file(const LayerId& layer) const { return pool_of(layer).layers() / (layer.str() + ".qcow2"); }
  std::filesystem::path draft(const LayerId& layer) const { return file(layer).string() + ".new"; }
  static std::string node(const LayerId& layer);

  // An empty layer, on a parent or not, encrypted when there is a key, under the name of a draft (survey.h). Its place
  // is known. Durable when it returns; on a throw no file is left.
  void create(qemu::QmpClient& qmp, const LayerId& layer, std::int64_t size_gib, const std::optional<LayerId>& parent,
              const KeyId& key);

  // Gives a draft its final name; a power cut takes it back unless it was synced.
  void settle(const LayerId& layer);
  void sync_name(const LayerId& layer);
  void discard_draft(const LayerId& layer);

  // No layer will be made with this key any more.
  void forget_key(const KeyId& key);

  // Adds the chain (top first) as nodes, each on the next; those that are there already are left. writable: the top.
  // key: of the layers that are encrypted.
  void open_chain(qemu::QmpClient& qmp, const std::vector<LayerId>& chain, bool writable, const KeyId& key);
  void close_node(qemu::QmpClient& qmp, const LayerId& layer);  // if it is there
  // Closes the layers that are open besides the chain, but those that something else in the daemon uses.
  void close_others(qemu::QmpClient& qmp, const std::vector<LayerId>& chain);

  // Those of the layers that are open may be written to no more. After a fault they may; that is tried again with the
  // next merge, and when a next varved takes the daemon over.
  void seal(qemu::QmpClient& qmp, const std::vector<LayerId>& layers, const KeyId& key);

  // Puts an (existing, empty) overlay on an open layer; whatever used the layer uses the overlay afterwards.
  void switch_to_overlay(qemu::QmpClient& qmp, const LayerId& active, const LayerId& overlay, const KeyId& key);
  bool is_open(qemu::QmpClient& qmp, const LayerId& layer);
  // Is the layer open there, and on this one (nullopt: on none)?
  bool stands_on(qemu::QmpClient& qmp, const LayerId& layer, const std::optional<LayerId>& base);

  // The layer is open with its chain.
  void resize(qemu::QmpClient& qmp, const LayerId& layer, std::int64_t size_gib);

  // Copies into target what it reads from above base; afterwards its backing file is base, and not before what was
  // copied would outlive a power cut. Throws when cancelled.
  void stream(qemu::QmpClient& qmp, const LayerId& target, const std::optional<LayerId>& base, const KeyId& key);
  static std::string stream_job(const LayerId& target) { return "stream-" + node(target); }

  // The filters between a volume's active layer and its exports: one for its QoS, one for what a layer on another one
  // must not be asked. Whoever writes to a volume uses the throttle's node.
  void add_filters(qemu::QmpClient& qmp, const LayerId& active, const KeyId& key, const model::QosLimits& qos);
  void set_throttle(qemu::QmpClient& qmp, const model::QosLimits& qos);
  static const std::string& throttle_node();

 private:
  qemu::json::object node_options(qemu::QmpClient& qmp, const LayerId& layer, bool writable, const KeyId& key,
                                  qemu::json::value file_node, qemu::json::value backing);
  void flush(qemu::QmpClient& qmp, const LayerId& layer, const KeyId& key);
  void reopen(qemu::QmpClient& qmp, const LayerId& layer, bool writable, const KeyId& key);
  void add_node(qemu::QmpClient& qmp, const LayerId& layer, const std::optional<LayerId>& parent, bool writable,
                const KeyId& key);
  // shown: the node that the throttle is on.
  void add_zeroes(qemu::QmpClient& qmp, const LayerId& active, const KeyId& key, const std::string& shown);
  void add_blank(qemu::QmpClient& qmp, const LayerId& active) const;
  static void remove_node(qemu::QmpClient& qmp, const std::string& name);
  void format(qemu::QmpClient& qmp, const std::filesystem::path& path, const std::string& name,
              qemu::json::object options);
  void create_encrypted(qemu::QmpClient& qmp, const LayerId& layer, std::int64_t size,
                        const std::optional<std::string>& backing, const KeyId& key);
  std::string add_secret(qemu::QmpClient& qmp, const KeyId& key);
  // How a layer's header names another one.
  std::string backing_name(const LayerId& layer, const LayerId& parent) const;

  std::vector<Pool> pools_;
  const SecretOf secret_of_;
  EncryptedLayers encrypted_;
  mutable Mutex places_mutex_;
  std::map<LayerId, std::size_t> places_ VARVE_GUARDED_BY(places_mutex_);  // of layers that are not in the default pool
};

}  // namespace varve::qcow2
