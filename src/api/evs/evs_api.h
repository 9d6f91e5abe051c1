// The EVS dialect: cloudvolumes, os-vendor-volumes, cloudsnapshots, jobs, tags, and truthful refusals of what EVS has
// deprecated. Under /v2 and /v3; jobs and the legacy volume under /v1 too. Source: the EVS API reference; replies of
// changes are jobs, errors {"error": {"code", "message"}} with the codes of that reference.
#pragma once

#include "api/common/routes.h"
#include "api/common/services.h"

namespace varve::api::evs {

Tables<Services> tables();

}  // namespace varve::api::evs
