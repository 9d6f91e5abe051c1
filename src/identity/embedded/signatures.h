// Signatures of changing requests that were accepted lately: none is good twice. Any thread; memory is bounded.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/mutex.h"

namespace varve::identity {

class SeenSignatures {
 public:
  // False if it was seen before. Forgets what is older than `until` of its time. Throws Error(TooManyRequests) when too
  // many are remembered.
  bool add(const std::string& signature, Timestamp now, Timestamp until);

 private:
  Mutex mutex_;
  std::map<std::string, Timestamp> seen_ VARVE_GUARDED_BY(mutex_);  // by signature: until when it would be good
};

// "20260131T235959Z"; nullopt for anything else.
std::optional<Timestamp> parse_signing_date(std::string_view text);

}  // namespace varve::identity
