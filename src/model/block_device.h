// Where a volume's bytes can be reached: a node of a storage daemon's block graph, to be exported.
#pragma once

#include <string>

namespace varve::model {

struct BlockDevice {
  std::string daemon;  // key of the storage daemon
  std::string node;    // name of the block node
};

}  // namespace varve::model
