// What projects use, counted anew.

#include <algorithm>

#include "invariants.h"

namespace varve::sim {

namespace {

using Use = std::map<std::string, std::int64_t>;

std::map<ProjectId, Use> use_of(const View& view) {
  std::map<ProjectId, Use> out;
  for (const model::Volume& volume : view.volumes) {
    Use& use = out[volume.project_id];
    use["volumes"] += 1;
    use["volumes_" + view.types.at(volume.volume_type_id)] += 1;
    use["gigabytes"] += volume.size_gib;
  }
  for (const model::Snapshot& snapshot : view.snapshots) {
    Use& use = out[snapshot.project_id];
    use["snapshots"] += 1;
    use["gigabytes"] += snapshot.size_gib;
  }
  for (const model::VolumeGroup& group : view.groups) out[group.project_id]["groups"] += 1;
  return out;
}

}  // namespace

std::string exceeded_limit(const View& view) {
  for (const auto& [project, use] : use_of(view)) {
    for (const auto& [resource, used] : use) {
      auto limit = view.limits.find(resource);
      if (limit == view.limits.end() || used <= limit->second) continue;
      return project.str() + " has " + std::to_string(used) + " " + resource + " of " + std::to_string(limit->second);
    }
  }
  return {};
}

std::string miscounted_quota(const View& view) {
  std::map<ProjectId, Use> use = use_of(view);
  for (const auto& [project, set] : view.quotas) {
    for (const std::string& resource : {"volumes", "gigabytes", "snapshots", "groups"}) {
      auto told = std::ranges::find(set, resource, &services::QuotaSet::value_type::first);
      if (told == set.end()) return "nothing is told of " + resource;
      if (told->second.in_use == use[project][resource]) continue;
      return project.str() + " is said to have " + std::to_string(told->second.in_use) + " " + resource + ", not " +
             std::to_string(use[project][resource]);
    }
  }
  return {};
}

}  // namespace varve::sim
