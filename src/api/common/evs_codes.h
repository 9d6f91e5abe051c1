// The error codes of EVS beyond those that follow from the status alone: one row for each Reason, and what a failed job
// says. Source: EVS API reference, "Error Codes".
#pragma once

#include <string_view>

#include "base/error.h"
#include "model/resources.h"

namespace varve::api {

struct EvsCode {
  unsigned status;  // on the routes that only EVS has
  std::string_view code;
  std::string_view message;
};

const EvsCode* evs_code_of(Reason reason);  // nullptr: None
EvsCode evs_job_fault(model::TaskKind kind);

}  // namespace varve::api
