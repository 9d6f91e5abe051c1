#include "api/evs/evs_api.h"

#include "api/evs/faults.h"
#include "api/evs/rows.h"

namespace varve::api::evs {

namespace {

constexpr Place kInProject[] = {{"/v2/{project_id}"}, {"/v3/{project_id}"}};
constexpr Place kInFirstVersion[] = {{"/v1/{project_id}"}};

}  // namespace

Tables<Services> tables() {
  Tables<Services> out;
  for (Rows rows : {volumes_rows(), snapshots_rows(), tags_rows(), jobs_rows()}) {
    out.push_back({rows, kInProject, &kFaults});
  }
  for (Rows rows : {volume_extension_rows(), snapshot_extension_rows(), tag_extension_rows(), resource_tags_rows(),
                    refusal_rows()}) {
    out.push_back({rows, kInProject});
  }
  out.push_back({jobs_rows(), kInFirstVersion, &kFaults});
  out.push_back({legacy_rows(), kInFirstVersion});
  return out;
}

}  // namespace varve::api::evs
