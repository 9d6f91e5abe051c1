#include "api/common/faults.h"

#include <array>
#include <boost/beast/http/status.hpp>
#include <boost/json.hpp>
#include <utility>

#include "base/log.h"
#include "base/text.h"

namespace varve::api {

namespace {

// Where EVS documents no code for a status, its scheme is followed: 5 and the status.
constexpr std::array<std::pair<ErrorCode, Fault>, 22> kFaults{{
    {ErrorCode::InvalidInput, {400, "badRequest", "EVS.5400"}},
    {ErrorCode::MalformedBody, {400, "badRequest", "EVS.5400"}},
    {ErrorCode::MalformedUrl, {400, "badRequest", "EVS.5400"}},
    {ErrorCode::InvalidState, {400, "badRequest", "EVS.5400"}},
    {ErrorCode::Unauthorized, {401, "unauthorized", "EVS.5401"}},
    {ErrorCode::Forbidden, {403, "forbidden", "EVS.5403"}},
    {ErrorCode::NotFound, {404, "itemNotFound", "EVS.5404"}},
    {ErrorCode::UnknownRoute, {404, "itemNotFound", "EVS.5404"}},
    {ErrorCode::MethodNotAllowed, {405, "badMethod", "EVS.5405"}},
    {ErrorCode::NotAcceptable, {406, "computeFault", "EVS.5406"}},
    {ErrorCode::PreconditionFailed, {412, "computeFault", "EVS.5412"}},
    {ErrorCode::Conflict, {409, "conflictingRequest", "EVS.5409"}},
    {ErrorCode::OverQuota, {413, "overLimit", "EVS.5413"}},
    {ErrorCode::BodyTooLarge, {413, "overLimit", "EVS.5400"}},
    {ErrorCode::HeaderTooLarge, {431, "badRequest", "EVS.5431"}},
    {ErrorCode::UnsupportedMediaType, {415, "badMediaType", "EVS.5415"}},
    {ErrorCode::TooManyRequests, {429, "overLimit", "EVS.5429"}},
    {ErrorCode::Unimplemented, {501, "notImplemented", "EVS.5501"}},
    {ErrorCode::Unavailable, {503, "serviceUnavailable", "EVS.5503"}},
    {ErrorCode::NoSpace, {500, "computeFault", "EVS.5500"}},
    {ErrorCode::BackendFailed, {500, "computeFault", "EVS.5500"}},
    {ErrorCode::Internal, {500, "computeFault", "EVS.5500"}},
}};

consteval bool is_complete() {
  for (std::size_t i = 0; i < kFaults.size(); ++i) {
    if (static_cast<std::size_t>(kFaults[i].first) > static_cast<std::size_t>(ErrorCode::Internal)) return false;
    for (std::size_t j = 0; j < i; ++j) {
      if (kFaults[i].first == kFaults[j].first) return false;
    }
  }
  return kFaults.size() == static_cast<std::size_t>(ErrorCode::Internal) + 1;
}
static_assert(is_complete(), "every ErrorCode has one row");

}  // namespace

const Fault& fault_of(ErrorCode code) {
  for (const auto& [key, fault] : kFaults) {
    if (key == code) return fault;
  }
  return kFaults.back().second;
}

namespace {

// Faults of the host's storage name files in their texts: where those lie is for the log.
std::string client_text(const Error& error) {
  if (fault_of(error.code()).status < 500) return error.message();
  std::string text = without_paths(error.message());
  if (text != error.message()) log::warning("a call failed", {{"error", error.message()}});
  return text;
}

FaultReply write_cinder(const Error& error, const std::string& message, ErrorCodes codes) {
  const Fault& fault = fault_of(error.code());
  json::value code = codes == ErrorCodes::Evs ? json::value(fault.evs_code) : json::value(fault.status);
  return {fault.status, fault_body(fault.name, error, fault.status, message, code)};
}

FaultReply write_keystone(const Error& error, const std::string& message, ErrorCodes) {
  unsigned status = fault_of(error.code()).status;
  auto title = boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(status));
  json::object inner{{"code", status}, {"title", title}, {"message", message}};
  return {status, json::object{{"error", std::move(inner)}}};
}

bool is_waiting_for_room(const Error& error, unsigned status) {
  return status == 413 && error.code() == ErrorCode::OverQuota;
}

}  // namespace

const Envelope kCinderFaults{"fault", write_cinder};
const Envelope kKeystoneFaults{"keystone", write_keystone};

json::object fault_body(std::string_view name, const Error& error, unsigned status, const std::string& message,
                        const json::value& code) {
  json::object inner{{"message", message}, {"code", code}};
  if (is_waiting_for_room(error, status)) inner["retryAfter"] = "0";
  json::object body;
  body[name] = std::move(inner);
  return body;
}

http::Response fault_response(const Error& error, ErrorCodes codes, const Envelope& envelope) {
  // What went wrong inside is for the log, not for a client.
  std::string message = error.code() == ErrorCode::Internal
                            ? "The server has either erred or is incapable of performing the requested operation."
                            : client_text(error);
  FaultReply fault = envelope.write(error, message, codes);
  http::Response response;
  response.status = fault.status;
  response.body = json::serialize(fault.body);
  if (is_waiting_for_room(error, fault.status)) response.headers.emplace_back("Retry-After", "0");
  if (error.code() == ErrorCode::TooManyRequests) response.headers.emplace_back("Retry-After", "1");
  return response;
}

}  // namespace varve::api
