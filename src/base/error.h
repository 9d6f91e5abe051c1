// The one exception of the project. Thrown where a fault is found, and caught in four kinds of places only:
// - where work ends and its outcome is told: the API dispatcher and the connection (a reply), the task runner (the end
//   of a task), the database's writer (its caller), main (the exit status), the control socket;
// - where the rest goes on without: the next turn of a loop, the other items of a survey or a start, work that a step
//   only helps. It is logged, and what must be done comes again;
// - where what is half done is taken back: it is thrown on;
// - where its code is an answer (it is not there), opens another way (there is no room: a spare file) or has a better
//   word. Other codes are thrown on.
#pragma once

#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace varve {

// Closed: api/common/faults.cc has one row for each, checked at compile time.
enum class ErrorCode : std::uint8_t {
  InvalidInput,          // a value breaks a rule; the message names the field
  MalformedBody,         // not JSON, not UTF-8, trailing garbage, nested too deep
  MalformedUrl,          // the path's project is not the token's
  InvalidState,          // the resource's present status does not allow the call
  Unauthorized,          // no token, or one that is not (or no longer) good
  Forbidden,             // authenticated, but not allowed
  NotFound,              // no such resource in this project
  UnknownRoute,          // no such path
  MethodNotAllowed,      // the path exists, the method does not
  NotAcceptable,         // a microversion that is not served
  PreconditionFailed,    // If-Match names what is no longer so
  Conflict,              // clashes with another resource or a concurrent change
  OverQuota,             // a limit of the project is reached
  BodyTooLarge,          // the body is larger than the limit
  HeaderTooLarge,        // the header is larger than the limit
  UnsupportedMediaType,  // a body that is not application/json
  TooManyRequests,       // slowed down
  Unimplemented,         // known to the API, not offered here
  Unavailable,           // cannot be done now (draining, storage daemon down); may succeed later
  NoSpace,               // the store has not the room that the call needs
  BackendFailed,         // the storage below refused or broke
  Internal,              // our own fault
};

// What precisely is wrong, where that has a name: model/reason.h has them. Reason(): it has none.
enum class Reason : std::uint8_t;

class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message, Reason reason = Reason())
      : code_(code), reason_(reason), message_(std::move(message)) {}

  ErrorCode code() const noexcept { return code_; }
  Reason reason() const noexcept { return reason_; }
  const std::string& message() const noexcept { return message_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  ErrorCode code_;
  Reason reason_;
  std::string message_;
};

std::string_view to_string(ErrorCode code);
std::optional<ErrorCode> parse_error_code(std::string_view text);

}  // namespace varve
