// The command `varved recover`, and what it has in common with a start.
#pragma once

#include "daemon/config.h"
#include "recovery/recovery.h"

namespace varve::daemon {

recovery::Options recovery_options(const Config& config);

// Loud: somebody must learn that the store is not what it was.
void log_report(const recovery::Report& report);

// Takes the store's lock, mends the database, prints what was done. Returns the exit status.
int recover(const Config& config, bool dry_run, bool as_json);

}  // namespace varve::daemon
