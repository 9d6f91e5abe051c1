// What a connection's changes concerned, for those who keep a copy of it elsewhere or have to act on it.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "model/resources.h"

namespace varve::store {

// The tables of the installation rather than of a volume: few rows, seldom changed. A table that refers to another one
// stands behind it.
std::span<const std::string_view> catalogue_tables();

struct Touched {
  std::vector<VolumeId> volumes;  // their rows, or those of their snapshots and attachments: a hint where to look again
  bool catalogue = false;         // one of catalogue_tables(); a hint too: it may have been undone
  std::vector<model::Task> begun;  // the tasks that were inserted, in their order: exactly those that were committed

  bool empty() const { return volumes.empty() && !catalogue && begun.empty(); }
  void add(Touched more);
};

}  // namespace varve::store
