#include "api/common/signature.h"

#include <algorithm>

#include "base/digest.h"
#include "base/error.h"
#include "base/text.h"

namespace varve::api {

namespace {

constexpr std::string_view kAlgorithm = "SDK-HMAC-SHA256";

[[noreturn]] void broken(const std::string& why) {
  throw Error(ErrorCode::Unauthorized, "The Authorization header is not good: " + why + ".");
}

// Value of `name=` in "Access=a, SignedHeaders=b;c, Signature=d".
std::string part_of(std::string_view header, std::string_view name) {
  for (const std::string& part : split(header, ',')) {
    std::string_view item = trim(part);
    if (item.size() > name.size() && item.starts_with(name) && item[name.size()] == '=') {
      return std::string(item.substr(name.size() + 1));
    }
  }
  broken("there is no " + std::string(name));
}

// Each segment decoded and encoded again, so that both sides agree on how; always with a slash at the end.
std::string canonical_path(std::string_view path) {
  std::string out;
  for (const std::string& segment : split(path, '/')) {
    out += percent_encode(percent_decode(segment, false).value_or(segment));
    out += '/';
  }
  return out.empty() ? "/" : out;
}

std::string canonical_query(const std::string& query) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto& [name, value] : http::parse_query(query)) {
    pairs.emplace_back(percent_encode(name), percent_encode(value));
  }
  std::sort(pairs.begin(), pairs.end());
  std::string out;
  for (const auto& [name, value] : pairs) {
    if (!out.empty()) out += '&';
    out.append(name).append("=").append(value);
  }
  return out;
}

std::string project_of(const http::Request& request) {
  std::string named(request.header("X-Project-Id"));
  if (!named.empty()) return named;
  std::string_view path = request.path;
  if (path.size() < 4 || path[1] != 'v' || path[3] != '/') return {};
  std::string_view rest = path.substr(4);
  std::string_view segment = rest.substr(0, rest.find('/'));
  return is_uuid(segment) ? std::string(segment) : std::string();
}

}  // namespace

std::string canonical_request(const http::Request& request, std::string_view signed_headers) {
  std::string headers;
  for (const std::string& name : split(to_lower(signed_headers), ';')) {
    headers.append(name).append(":").append(trim(request.header(name))).append("\n");
  }
  std::string digest(request.header("X-Sdk-Content-Sha256"));
  // A digest that the client gives is signed as it stands; it must be the body's.
  if (!digest.empty() && digest != sha256_hex(request.body)) broken("X-Sdk-Content-Sha256 is not the body's digest");
  if (digest.empty()) digest = sha256_hex(request.body);
  return request.method_name + "\n" + canonical_path(std::string_view(request.path).substr(0)) + "\n" +
         canonical_query(request.query) + "\n" + headers + "\n" + to_lower(signed_headers) + "\n" + digest;
}

std::optional<identity::SignedRequest> read_signature(const http::Request& request) {
  std::string_view header = trim(request.header("Authorization"));
  if (!header.starts_with(kAlgorithm)) return std::nullopt;
  header.remove_prefix(kAlgorithm.size());
  identity::SignedRequest out;
  out.access_key = part_of(header, "Access");
  out.signature = part_of(header, "Signature");
  std::string names = part_of(header, "SignedHeaders");
  out.date = std::string(request.header("X-Sdk-Date"));
  std::vector<std::string> list = split(to_lower(names), ';');
  for (const char* wanted : {"x-sdk-date", "host"}) {
    if (std::find(list.begin(), list.end(), wanted) == list.end()) broken(std::string(wanted) + " is not signed");
  }
  out.canonical = canonical_request(request, names);
  out.project_id = project_of(request);
  out.changes = request.method != http::Verb::get && request.method != http::Verb::head;
  return out;
}

}  // namespace varve::api
