// "varve@qcow2#default": the host, one of its backends, its pool. A backend here is a pool with its backend name.
#pragma once

#include <string>
#include <string_view>

#include "api/common/services.h"
#include "base/error.h"
#include "services/placing.h"

namespace varve::api::cinder {

// Does `wanted` name the host, or the host with all of its backends?
inline bool is_host(std::string_view wanted, std::string_view host) {
  return wanted == host || wanted == host.substr(0, host.find('#')) || wanted == host.substr(0, host.find('@'));
}

// The pool that the host names; of several the first. Throws Error(NotFound) for one that is not here.
inline std::string pool_of_host(const std::string& host, const Services& services) {
  for (const std::string& pool : services.backend.pools()) {
    if (is_host(host, services::host_of(services.settings, services.backend, pool))) return pool;
  }
  throw Error(ErrorCode::NotFound, "Host " + host.substr(0, 100) + " could not be found.");
}

}  // namespace varve::api::cinder
