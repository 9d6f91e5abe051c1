#include "api/identity/identity_api.h"

#include "api/identity/rows.h"

namespace varve::api::identity_v3 {

namespace {

// What belongs to a project is not here: any token will do, and the handlers look at what it is about.
constexpr Place kPlaces[] = {{"/identity", Scope::Any}};
constexpr Place kOnProjects[] = {{"/identity/v3/projects/{target}/users/{user}", Scope::Any},
                                 {"/identity/v3/projects/{target}/groups/{group}", Scope::Any}};
constexpr Place kOnDomains[] = {{"/identity/v3/domains/{target}/users/{user}", Scope::Any},
                                {"/identity/v3/domains/{target}/groups/{group}", Scope::Any}};
constexpr Place kOnSystem[] = {{"/identity/v3/system/users/{user}", Scope::Any},
                               {"/identity/v3/system/groups/{group}", Scope::Any}};

}  // namespace

Tables<Context> tables() {
  Tables<Context> out;
  for (Rows rows : {tokens_rows(), management_rows(), groups_rows(), iam_rows(), assignments_rows()}) {
    out.push_back({rows, kPlaces, &kKeystoneFaults});
  }
  out.push_back({held_roles_rows(Held::OnProject), kOnProjects, &kKeystoneFaults});
  out.push_back({held_roles_rows(Held::OnDomain), kOnDomains, &kKeystoneFaults});
  out.push_back({held_roles_rows(Held::OnSystem), kOnSystem, &kKeystoneFaults});
  return out;
}

}  // namespace varve::api::identity_v3
