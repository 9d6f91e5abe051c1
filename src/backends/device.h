// What an exporter serves: the bytes of an open source. Good until the source is closed, and in this process alone.
#pragma once

#include <string>

#include "model/source.h"

namespace varve::backends {

struct Device {
  model::Source source;
  std::string node;  // of the block graph in the source's storage daemon
};

}  // namespace varve::backends
