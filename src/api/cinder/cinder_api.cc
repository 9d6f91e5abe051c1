#include "api/cinder/cinder_api.h"

#include "api/cinder/rows.h"

namespace varve::api::cinder {

namespace {

// Microversions below 3.67 want the project in the URL. /v2 has what there was before microversions.
constexpr Place kInProject[] = {
    {"/v3/{project_id}"}, {"/v2/{project_id}", Scope::Project, 0, 0}, {"/v3", Scope::Project, 67}};
constexpr Place kAtRoot[] = {{"", Scope::Any}};

}  // namespace

Tables<Services> tables() {
  Tables<Services> out;
  for (Rows rows :
       {volumes_rows(), volume_actions_rows(), snapshots_rows(), attachments_rows(), types_rows(), type_extras_rows(),
        quotas_rows(), extensions_rows(), services_and_hosts_rows(), transfers_rows(), messages_rows(), backups_rows(),
        groups_rows(), consistency_groups_rows(), group_types_rows(), adoption_rows(), explanations_rows()}) {
    out.push_back({rows, kInProject});
  }
  for (Rows rows : {versions_rows(), default_types_rows(), images_rows()}) out.push_back({rows, kAtRoot});
  return out;
}

}  // namespace varve::api::cinder
