#include "http/client.h"

#include <curl/curl.h>

#include <cstdio>
#include <exception>
#include <memory>

#include "base/error.h"
#include "base/text.h"

namespace varve::http {

namespace {

struct Exchange {
  const ClientRequest& request;
  CURL* curl;
  ClientResponse response;
  std::exception_ptr fault;
  bool too_large = false;
};

bool goes_to_sink(const Exchange& exchange) {
  long status = 0;
  curl_easy_getinfo(exchange.curl, CURLINFO_RESPONSE_CODE, &status);
  return exchange.request.sink && status >= 200 && status < 300;
}

std::size_t take(char* data, std::size_t size, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  std::size_t bytes = size * count;
  try {
    if (goes_to_sink(exchange)) {
      exchange.request.sink({data, bytes});
      return bytes;
    }
  } catch (...) {
    // libcurl is C: an exception must not pass through it.
    exchange.fault = std::current_exception();
    return 0;
  }
  if (exchange.response.body.size() + bytes > Client::kMaxReply) {
    exchange.too_large = true;
    return 0;
  }
  exchange.response.body.append(data, bytes);
  return bytes;
}

std::size_t take_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  std::string_view line(data, size * count);
  std::size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    exchange.response.headers.emplace_back(to_lower(line.substr(0, colon)), trim(line.substr(colon + 1)));
  }
  return size * count;
}

int watch(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto& exchange = *static_cast<Exchange*>(user);
  return exchange.request.cancelled && exchange.request.cancelled() ? 1 : 0;
}

using Handle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using Headers = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;
using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

template <class Value>
void set(CURL* curl, CURLoption option, Value value) {
  if (curl_easy_setopt(curl, option, value) != CURLE_OK) throw Error(ErrorCode::Internal, "libcurl refuses an option");
}

[[noreturn]] void fail(const ClientRequest& request, const std::string& why) {
  throw Error(ErrorCode::Unavailable, request.method + " " + request.url + " failed: " + why);
}

}  // namespace

std::string_view ClientResponse::header(std::string_view name) const {
  for (const auto& [known, value] : headers) {
    if (known == name) return value;
  }
  return {};
}

ClientResponse Client::send(const ClientRequest& request) const {
  static const bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  Handle handle(ready ? curl_easy_init() : nullptr, curl_easy_cleanup);
  if (!handle) throw Error(ErrorCode::Internal, "libcurl cannot start");
  CURL* curl = handle.get();
  Exchange exchange{request, curl, {}, {}};

  Headers headers(nullptr, curl_slist_free_all);
  auto add_header = [&](const std::string& line) {
    // The list may begin elsewhere afterwards: it is let go of and taken again.
    curl_slist* list = headers.release();
    headers.reset(curl_slist_append(list, line.c_str()));
  };
  for (const auto& [name, value] : request.headers) {
    std::string line = name + ": ";
    add_header(line + value);
  }
  // No wait for 100-continue; libcurl would sign this line though it is not sent.
  if (request.sign_as.empty()) add_header("Expect:");

  set(curl, CURLOPT_URL, request.url.c_str());
  set(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  set(curl, CURLOPT_NOSIGNAL, 1L);
  set(curl, CURLOPT_CONNECTTIMEOUT, config_.connect_timeout_s);
  set(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(curl, CURLOPT_LOW_SPEED_TIME, config_.stall_timeout_s);
  set(curl, CURLOPT_WRITEFUNCTION, &take);
  set(curl, CURLOPT_WRITEDATA, static_cast<void*>(&exchange));
  set(curl, CURLOPT_HEADERFUNCTION, &take_header);
  set(curl, CURLOPT_HEADERDATA, static_cast<void*>(&exchange));
  set(curl, CURLOPT_NOPROGRESS, 0L);
  set(curl, CURLOPT_XFERINFOFUNCTION, &watch);
  set(curl, CURLOPT_XFERINFODATA, static_cast<void*>(&exchange));
  if (!config_.ca_file.empty()) set(curl, CURLOPT_CAINFO, config_.ca_file.c_str());

  File file(nullptr, &std::fclose);
  if (!request.upload.empty()) {
    file.reset(std::fopen(request.upload.c_str(), "rbe"));
    if (!file) throw Error(ErrorCode::BackendFailed, "cannot open " + request.upload.string());
    set(curl, CURLOPT_UPLOAD, 1L);
    set(curl, CURLOPT_READDATA, static_cast<void*>(file.get()));
    set(curl, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(std::filesystem::file_size(request.upload)));
  } else if (!request.body.empty()) {
    set(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(curl, CURLOPT_POSTFIELDS, request.body.data());
  }
  if (!request.sign_as.empty()) {
    set(curl, CURLOPT_AWS_SIGV4, request.sign_as.c_str());
    set(curl, CURLOPT_USERNAME, request.access_key.c_str());
    set(curl, CURLOPT_PASSWORD, request.secret_key.c_str());
  }
  set(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  set(curl, CURLOPT_HTTPHEADER, headers.get());

  CURLcode code = curl_easy_perform(curl);
  if (exchange.fault) std::rethrow_exception(exchange.fault);
  if (exchange.too_large) fail(request, "the reply is larger than " + std::to_string(kMaxReply) + " bytes");
  if (code == CURLE_ABORTED_BY_CALLBACK) fail(request, "it was given up");
  if (code != CURLE_OK) fail(request, curl_easy_strerror(code));
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  exchange.response.status = static_cast<unsigned>(status);
  return std::move(exchange.response);
}

}  // namespace varve::http
