// A chain of snapshots that are all kept grows by a layer with each, and a read goes through every one. A shortcut
// makes it short again: one layer gets copies of what it reads from a run of layers right below it, and stands on the
// next one. Snapshots keep their layers; only who reads from above the run has fewer to go through. Pure, no I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "backends/qcow2/layer_graph.h"

namespace varve::qcow2 {

struct ChainLayer {
  LayerId id;
  std::uint64_t bytes = 0;  // that its file occupies
  std::uint64_t size = 0;   // of the device that it shows; a run has none that is smaller than the target
  bool stays = false;       // must not be in the run: a volume's root
  bool fixed = false;       // cannot be the target now
};

// What shortens the chain (top first) most. The top itself is left alone: it is written to. The run occupies at most
// most_bytes, so that the copies do too; and a layer is in it only with others that hold at least half as much. So each
// byte is copied again only when what it lies in has grown by half: for any number of snapshots copies and layers stay
// within a logarithm. nullopt: the chain has no more than long_chain layers, or no run is worth it.
std::optional<Merge> find_shortcut(const std::vector<ChainLayer>& chain, std::size_t long_chain,
                                   std::uint64_t most_bytes);

}  // namespace varve::qcow2
