// The one table from ErrorCode to what a client sees: HTTP status, fault name, EVS code.
// Sources: the seed page (envelope: {"<fault>": {"message", "code"}}, both strings), Cinder's fault names, EVS's code
// table.
#pragma once

#include <string>

#include "base/error.h"
#include "http/message.h"

namespace varve::api {

enum class ErrorCodes : std::uint8_t { Evs, Openstack };  // `code`: "EVS.5404", or the integer status
enum class Envelope : std::uint8_t {
  Fault,     // {"itemNotFound": {"message", "code"}}
  Evs,       // {"error": {"message", "code"}}: the routes that only EVS has, with its finer codes
  Keystone,  // {"error": {"code", "title", "message"}}
};

struct Fault {
  unsigned status;
  std::string_view name;
  std::string_view evs_code;
};

const Fault& fault_of(ErrorCode code);

http::Response fault_response(const Error& error, ErrorCodes codes, Envelope envelope);

}  // namespace varve::api
