#include "api/common/faults.h"

#include <array>
#include <boost/beast/http/status.hpp>
#include <boost/json.hpp>
#include <tuple>
#include <utility>

#include "api/common/evs_codes.h"
#include "base/log.h"
#include "base/text.h"

namespace varve::api {

namespace json = boost::json;

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

// What EVS documents first, then what it is about here.
std::pair<Fault, std::string> evs_fault(const Error& error, const std::string& message) {
  Fault fault = fault_of(error.code());
  fault.name = "error";
  if (error.code() == ErrorCode::MalformedUrl) return {{400, "error", "EVS.0001"}, "invalid tenant id! " + message};
  if (error.code() == ErrorCode::MalformedBody) return {{400, "error", "EVS.1052"}, "invalid http body! " + message};
  const EvsCode* code = evs_code_of(error.reason());
  if (code == nullptr) return {fault, message};
  fault.status = code->status;
  fault.evs_code = code->code;
  return {fault, std::string(code->message) + " " + message};
}

}  // namespace

http::Response fault_response(const Error& error, ErrorCodes codes, Envelope envelope) {
  Fault fault = fault_of(error.code());
  // What went wrong inside is for the log, not for a client.
  std::string message = error.code() == ErrorCode::Internal
                            ? "The server has either erred or is incapable of performing the requested operation."
                            : client_text(error);
  if (envelope == Envelope::Evs) std::tie(fault, message) = evs_fault(error, message);
  json::object body;
  if (envelope == Envelope::Keystone) {
    auto title = boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(fault.status));
    body["error"] = json::object{{"code", fault.status}, {"title", title}, {"message", message}};
  } else {
    json::object inner{{"message", message}};
    // The routes that only EVS has know no other codes.
    if (codes == ErrorCodes::Evs || envelope == Envelope::Evs) {
      inner["code"] = fault.evs_code;
    } else {
      inner["code"] = fault.status;
    }
    if (fault.status == 413 && error.code() == ErrorCode::OverQuota) inner["retryAfter"] = "0";
    body[fault.name] = std::move(inner);
  }
  http::Response response;
  response.status = fault.status;
  response.body = json::serialize(body);
  if (fault.status == 413 && error.code() == ErrorCode::OverQuota) response.headers.emplace_back("Retry-After", "0");
  if (error.code() == ErrorCode::TooManyRequests) response.headers.emplace_back("Retry-After", "1");
  return response;
}

}  // namespace varve::api
