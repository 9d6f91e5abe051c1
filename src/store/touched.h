// What a connection's changes concerned, for those who keep a copy of it elsewhere: a hint where to look again. It may
// name what was undone afterwards.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/id.h"

namespace varve::store {

// The tables of the installation rather than of a volume: few rows, seldom changed. A table that refers to another one
// stands behind it.
std::span<const std::string_view> catalogue_tables();

struct Touched {
  std::vector<VolumeId> volumes;  // their rows, or those of their snapshots and attachments
  bool catalogue = false;         // one of catalogue_tables()

  bool empty() const { return volumes.empty() && !catalogue; }
};

}  // namespace varve::store
