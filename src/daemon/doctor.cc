#include "daemon/doctor.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>

#include "base/rng.h"
#include "base/unique_fd.h"
#include "daemon/object_store.h"
#include "keys/local/local_keys.h"
#include "recovery/doctor.h"

namespace varve::daemon {

namespace {

namespace json = boost::json;
using recovery::Finding;

constexpr const char* kLevels[] = {"note", "warning", "error"};

const char* level_of(const Finding& finding) {
  return kLevels[static_cast<std::size_t>(finding.level)];
}

// Without taking the lock from a varved that is just starting: a shared one, let go at once.
bool is_running(const std::filesystem::path& directory) {
  auto is_locked = [](const std::filesystem::path& path) {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    return fd && ::flock(fd.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  };
  return is_locked(directory) || is_locked(directory / "varved.lock");
}

json::object to_json(const Finding& finding) {
  return {{"level", level_of(finding)}, {"kind", finding.kind},   {"id", finding.id},
          {"what", finding.what},       {"means", finding.means}, {"mend", finding.mend}};
}

void print(const std::vector<Finding>& findings) {
  for (const Finding& one : findings) {
    std::printf("%s: %s %s: %s\n  means: %s\n  mend: %s\n", level_of(one), one.kind.c_str(), one.id.c_str(),
                one.what.c_str(), one.means.c_str(), one.mend.c_str());
  }
  if (findings.empty()) std::puts("all is well");
}

}  // namespace

int doctor(const Config& config, bool as_json) {
  recovery::Store store{.directory = config.directory,
                        .run_directory = config.run_directory,
                        .root_key = config.root_key,
                        .pools = config.pools,
                        .min_free_bytes = config.min_free_bytes,
                        .running = is_running(config.directory)};
  SystemRng rng;
  store.try_key = [&](const KeyId& key) {
    keys::LocalKeys(config.directory / "keys", config.root_key, true, rng).secret(key);
  };
  store.has_archive = archive_finder(config);
  std::vector<Finding> findings = recovery::examine_store(store);
  bool well = std::ranges::all_of(findings, [](const Finding& one) { return one.level == Finding::Level::Note; });
  if (as_json) {
    json::array list;
    for (const Finding& one : findings) list.push_back(to_json(one));
    json::object out{{"well", well}, {"running", store.running}, {"findings", std::move(list)}};
    std::puts(json::serialize(out).c_str());
  } else {
    print(findings);
  }
  return well ? 0 : 1;
}

}  // namespace varve::daemon
