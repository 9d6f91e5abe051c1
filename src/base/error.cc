#include "base/error.h"

namespace varve {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::InvalidInput:
      return "InvalidInput";
    case ErrorCode::MalformedBody:
      return "MalformedBody";
    case ErrorCode::MalformedUrl:
      return "MalformedUrl";
    case ErrorCode::InvalidState:
      return "InvalidState";
    case ErrorCode::Unauthorized:
      return "Unauthorized";
    case ErrorCode::Forbidden:
      return "Forbidden";
    case ErrorCode::NotFound:
      return "NotFound";
    case ErrorCode::UnknownRoute:
      return "UnknownRoute";
    case ErrorCode::MethodNotAllowed:
      return "MethodNotAllowed";
    case ErrorCode::NotAcceptable:
      return "NotAcceptable";
    case ErrorCode::PreconditionFailed:
      return "PreconditionFailed";
    case ErrorCode::Conflict:
      return "Conflict";
    case ErrorCode::OverQuota:
      return "OverQuota";
    case ErrorCode::BodyTooLarge:
      return "BodyTooLarge";
    case ErrorCode::HeaderTooLarge:
      return "HeaderTooLarge";
    case ErrorCode::UnsupportedMediaType:
      return "UnsupportedMediaType";
    case ErrorCode::TooManyRequests:
      return "TooManyRequests";
    case ErrorCode::Unimplemented:
      return "Unimplemented";
    case ErrorCode::Unavailable:
      return "Unavailable";
    case ErrorCode::NoSpace:
      return "NoSpace";
    case ErrorCode::BackendFailed:
      return "BackendFailed";
    case ErrorCode::Internal:
      return "Internal";
  }
  return "Internal";
}

std::optional<ErrorCode> parse_error_code(std::string_view text) {
  for (int i = 0; i <= static_cast<int>(ErrorCode::Internal); ++i) {
    if (to_string(static_cast<ErrorCode>(i)) == text) return static_cast<ErrorCode>(i);
  }
  return std::nullopt;
}

}  // namespace varve
