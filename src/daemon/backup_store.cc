#include "daemon/backup_store.h"

#include <boost/json.hpp>
#include <cstdio>

#include "daemon/app.h"
#include "daemon/control.h"

namespace varve::daemon {

namespace json = boost::json;

std::filesystem::path control_socket(const Config& config) {
  return config.run_directory / "control.sock";
}

json::object as_object(const recovery::BackupReport& report) {
  return {{"volumes", report.volumes}, {"failed", json::array(report.failed.begin(), report.failed.end())}};
}

int backup_store(const Config& config, const std::filesystem::path& target) {
  std::string absolute = std::filesystem::absolute(target).lexically_normal().string();
  while (absolute.ends_with('/')) absolute.pop_back();
  std::optional<json::object> answer = ask(control_socket(config), {{"backup_store", absolute}});
  if (!answer) {
    App app(config);
    answer = as_object(app.back_up(absolute));
    (*answer)["ok"] = true;
  }
  std::puts(json::serialize(*answer).c_str());
  return answer->at("ok").as_bool() && answer->at("failed").as_array().empty() ? 0 : 1;
}

}  // namespace varve::daemon
