// The command `varved doctor`.
#pragma once

#include "daemon/config.h"

namespace varve::daemon {

// Prints what it finds. Returns the exit status: 0 all is well (there may be notes), 1 something is not.
int doctor(const Config& config, bool as_json);

}  // namespace varve::daemon
