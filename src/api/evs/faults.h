// What EVS says beyond what follows from the status alone: the code of each Reason, and of a job that failed. Source:
// EVS API reference, "Error Codes".
#pragma once

#include <string_view>

#include "api/common/faults.h"
#include "model/resources.h"

namespace varve::api::evs {

extern const Envelope kFaults;  // {"error": {"message", "code"}}

struct JobFault {
  std::string_view code;
  std::string_view message;
};
JobFault job_fault(model::TaskKind kind);

}  // namespace varve::api::evs
