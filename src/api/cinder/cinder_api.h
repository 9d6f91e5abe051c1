// The OpenStack Block Storage dialect, /v3 and /v2.
#pragma once

#include "api/common/routes.h"
#include "api/common/services.h"

namespace varve::api::cinder {

Tables<Services> tables();

}  // namespace varve::api::cinder
