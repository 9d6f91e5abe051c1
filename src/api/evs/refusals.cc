// What EVS has deprecated without a successor: there is nothing to replicate to here.

#include "api/evs/rows.h"
#include "base/error.h"

namespace varve::api::evs {

using http::Verb;

namespace {

Reply refuse_replication(Services&, CallPtr) {
  throw Error(ErrorCode::Unimplemented,
              "EVS replication pairs and replication consistency groups are deprecated and not offered here.");
  co_return http::Response();
}

constexpr Row<Services> kRows[] = {
    {Verb::post, "/os-vendor-replications", "member", refuse_replication},
    {Verb::get, "/os-vendor-replications", "member", refuse_replication},
    {Verb::get, "/os-vendor-replications/{id}", "member", refuse_replication},
    {Verb::delete_, "/os-vendor-replications/{id}", "member", refuse_replication},
    {Verb::post, "/os-vendor-replication-consistency-groups", "member", refuse_replication},
    {Verb::get, "/os-vendor-replication-consistency-groups", "member", refuse_replication},
    {Verb::get, "/os-vendor-replication-consistency-groups/{id}", "member", refuse_replication},
    {Verb::delete_, "/os-vendor-replication-consistency-groups/{id}", "member", refuse_replication},
    {Verb::put, "/os-vendor-replication-consistency-groups/{id}", "member", refuse_replication},
    {Verb::post, "/os-vendor-replication-consistency-groups/{id}/action", "member", refuse_replication},
};

}  // namespace

Rows refusal_rows() {
  return kRows;
}

}  // namespace varve::api::evs
