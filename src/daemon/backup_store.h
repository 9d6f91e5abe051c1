// The command `varved backup-store`: a running daemon is asked for the backup, else this process makes it.
#pragma once

#include <boost/json/object.hpp>
#include <filesystem>

#include "base/error.h"
#include "daemon/config.h"
#include "recovery/store_backup.h"

namespace varve::daemon {

std::filesystem::path control_socket(const Config& config);

boost::json::object as_object(const recovery::BackupReport& report);

// What the daemon answers to such an ask; app: App or its inside.
template <class App>
boost::json::object backup_asked(const boost::json::object& ask, App& app) {
  const boost::json::value* target = ask.if_contains("backup_store");
  if (target == nullptr || !target->is_string()) throw Error(ErrorCode::InvalidInput, "that is not known here");
  return as_object(app.back_up(std::filesystem::path(std::string(target->as_string()))));
}

// Prints what was done. Returns the exit status: 1 when a volume is missing in the copy.
int backup_store(const Config& config, const std::filesystem::path& target);

}  // namespace varve::daemon
