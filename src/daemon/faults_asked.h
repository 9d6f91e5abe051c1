// The tests' ask to a running daemon: {"faults": "fsync:3=ENOSPC"} takes back what was armed before and arms this
// (base/fault.h); "" arms nothing. Answer: {"struck": all that was armed came to pass, "calls": {"fsync": 7, ...} since
// it was armed}. Unknown to a daemon that was started without VARVE_FAULTS.
#pragma once

#include <boost/json/object.hpp>
#include <string_view>

namespace varve::daemon {

inline constexpr std::string_view kFaultsAsk = "faults";

// Throws Error(InvalidInput).
boost::json::object faults_asked(const boost::json::object& ask);

}  // namespace varve::daemon
