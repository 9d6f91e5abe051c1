// The use cases that the dialects of the block-storage API share.
#pragma once

#include "services/use_cases.h"

namespace varve::api {

using Services = services::UseCases;

}  // namespace varve::api
