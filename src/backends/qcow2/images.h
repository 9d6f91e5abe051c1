// Layers as files and as nodes of a storage daemon's block graph: what the backend asks of QEMU, one function a wish.
// A layer's node is named after its id, so that any daemon's state can be compared with what should be.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/id.h"
#include "model/resources.h"
#include "qemu/qmp_client.h"

namespace varve::qcow2 {

// What the host's file system and kernel can do; found out once.
struct IoOptions {
  std::string aio = "threads";
  bool direct = false;
};

class Images {
 public:
  Images(std::filesystem::path directory, IoOptions io) : directory_(std::move(directory)), io_(std::move(io)) {}

  std::filesystem::path file(const LayerId& layer) const { return directory_ / (layer.str() + ".qcow2"); }
  static std::string node(const LayerId& layer);

  // An empty layer, on a parent or not. Durable when it returns; on a throw no file is left.
  void create(qemu::QmpClient& qmp, const LayerId& layer, std::int64_t size_gib, const std::optional<LayerId>& parent);

  // Adds the chain (top first) as nodes, each on the next; those that are there already are left. writable: the top.
  void open_chain(qemu::QmpClient& qmp, const std::vector<LayerId>& chain, bool writable);
  void close_node(qemu::QmpClient& qmp, const LayerId& layer);  // if it is there

  // Puts an (existing, empty) overlay on an open layer; whatever used the layer uses the overlay afterwards.
  void switch_to_overlay(qemu::QmpClient& qmp, const LayerId& active, const LayerId& overlay);
  bool is_open(qemu::QmpClient& qmp, const LayerId& layer);
  // An open overlay is switched when it has its backing node.
  bool is_switched(qemu::QmpClient& qmp, const LayerId& overlay);

  // The layer is open with its chain.
  void resize(qemu::QmpClient& qmp, const LayerId& layer, std::int64_t size_gib);

  // Copies into target what it reads from above base; afterwards its backing file is base. Throws when cancelled.
  void stream(qemu::QmpClient& qmp, const LayerId& target, const std::optional<LayerId>& base);
  static std::string stream_job(const LayerId& target) { return "stream-" + node(target); }

  // The filter node that carries the QoS of a volume, between its active layer and its exports.
  void add_throttle(qemu::QmpClient& qmp, const LayerId& active, const model::QosLimits& qos);
  void set_throttle(qemu::QmpClient& qmp, const model::QosLimits& qos);
  static const std::string& throttle_node();

 private:
  void add_node(qemu::QmpClient& qmp, const LayerId& layer, const std::optional<LayerId>& parent, bool writable);

  std::filesystem::path directory_;
  IoOptions io_;
};

struct Header {
  std::optional<LayerId> parent;
  std::uint64_t virtual_size = 0;
};

// Reads a layer's own header; nullopt if the file is not a whole qcow2 header (a creation was cut off).
std::optional<Header> read_header(const std::filesystem::path& file);

}  // namespace varve::qcow2
