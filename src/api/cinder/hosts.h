// "varve@qcow2#default": the host, one of its backends, its pool. A backend here is a pool with its backend name.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/common/services.h"
#include "base/error.h"

namespace varve::api::cinder {

// Does `wanted` name the host, or the host with all of its backends?
inline bool is_host(std::string_view wanted, std::string_view host) {
  return wanted == host || wanted == host.substr(0, host.find('#')) || wanted == host.substr(0, host.find('@'));
}

// The pool that the host names; of several the first. Throws Error(NotFound) for one that is not here.
inline std::string pool_of_host(const std::string& host, const Services& services) {
  for (const services::Pool& pool : services.pools.all()) {
    if (is_host(host, pool.host)) return pool.name;
  }
  throw Error(ErrorCode::NotFound, "Host " + host.substr(0, 100) + " could not be found.");
}

// The host of a request that may name a cluster instead. There are none: one daemon owns its store.
inline std::string host_or_cluster(const std::optional<std::string>& host, const std::optional<std::string>& cluster) {
  bool by_host = host && !host->empty();
  bool by_cluster = cluster && !cluster->empty();
  if (by_host == by_cluster) {
    throw Error(ErrorCode::InvalidInput, "One of the two must be given: the host or the cluster.");
  }
  if (by_cluster) throw Error(ErrorCode::NotFound, "Cluster " + cluster->substr(0, 100) + " could not be found.");
  return *host;
}

}  // namespace varve::api::cinder
