// The one table from ErrorCode to what a client sees: HTTP status, fault name, EVS code.
// Sources: the seed page (envelope: {"<fault>": {"message", "code"}}, both strings), Cinder's fault names, EVS's code
// table.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/message.h"

namespace varve::api {

namespace json = boost::json;

enum class ErrorCodes : std::uint8_t { Evs, Openstack };  // `code`: "EVS.5404", or the integer status

struct Fault {
  unsigned status;
  std::string_view name;
  std::string_view evs_code;
};

const Fault& fault_of(ErrorCode code);

struct FaultReply {
  unsigned status;
  json::object body;
};

// How a dialect writes a fault. The message is what a client may read of it.
struct Envelope {
  std::string_view name;
  FaultReply (*write)(const Error& error, const std::string& message, ErrorCodes codes);
};
extern const Envelope kCinderFaults;    // {"itemNotFound": {"message", "code"}}
extern const Envelope kKeystoneFaults;  // {"error": {"code", "title", "message"}}

// {"<name>": {"message", "code"}}, and "retryAfter" for a quota.
json::object fault_body(std::string_view name, const Error& error, unsigned status, const std::string& message,
                        const json::value& code);

http::Response fault_response(const Error& error, ErrorCodes codes, const Envelope& envelope);

}  // namespace varve::api
