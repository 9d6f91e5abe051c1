#include "backups/s3/s3_store.h"

#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <sstream>

#include "base/digest.h"
#include "base/error.h"
#include "base/text.h"

namespace varve::backups {

namespace {

[[noreturn]] void refused(const std::string& what, const std::string& name, const http::ClientResponse& response) {
  throw Error(response.status >= 500 ? ErrorCode::Unavailable : ErrorCode::BackendFailed,
              "the object store refused to " + what + " " + name + ": " + std::to_string(response.status) + " " +
                  response.body.substr(0, 300));
}

}  // namespace

std::string S3Store::path(const std::string& name) const {
  return "/" + config_.bucket + "/" + config_.prefix + name;
}

http::ClientRequest S3Store::request(const std::string& method, const std::string& path_and_query,
                                     std::string_view body) const {
  http::ClientRequest out;
  out.method = method;
  out.url = config_.endpoint + path_and_query;
  out.body = body;
  out.headers = {{"x-amz-content-sha256", sha256_hex(body)}};
  if (!body.empty()) out.headers.emplace_back("Content-Type", "application/octet-stream");
  out.sign_as = "aws:amz:" + config_.region + ":s3";
  out.access_key = config_.access_key;
  out.secret_key = config_.secret_key;
  return out;
}

void S3Store::put(const std::string& name, std::string_view data) {
  http::ClientResponse response = client_.send(request("PUT", path(name), data));
  if (response.status != 200) refused("take", name, response);
}

std::optional<std::string> S3Store::get(const std::string& name) {
  std::string data;
  http::ClientRequest wanted = request("GET", path(name), {});
  wanted.sink = [&](std::string_view part) { data += part; };
  http::ClientResponse response = client_.send(wanted);
  if (response.status == 404) return std::nullopt;
  if (response.status != 200) refused("give", name, response);
  return data;
}

std::vector<std::string> S3Store::list(const std::string& prefix) {
  std::vector<std::string> out;
  std::string token;
  do {
    // The query's keys in the order that the signature wants.
    std::string query = token.empty() ? "" : "continuation-token=" + percent_encode(token) + "&";
    query += "list-type=2&prefix=" + percent_encode(config_.prefix + prefix);
    http::ClientResponse response = client_.send(request("GET", "/" + config_.bucket + "?" + query, {}));
    if (response.status != 200) refused("list", prefix, response);
    boost::property_tree::ptree tree;
    std::istringstream text(response.body);
    try {
      boost::property_tree::read_xml(text, tree);
    } catch (const std::exception& fault) {
      throw Error(ErrorCode::BackendFailed, std::string("the object store's list is no XML: ") + fault.what());
    }
    const auto& result = tree.get_child("ListBucketResult");
    for (const auto& [key, entry] : result) {
      if (key == "Contents") out.push_back(entry.get<std::string>("Key").substr(config_.prefix.size()));
    }
    token = result.get<std::string>("IsTruncated", "false") == "true"
                ? result.get<std::string>("NextContinuationToken", "")
                : "";
  } while (!token.empty());
  return out;
}

void S3Store::remove(const std::string& name) {
  http::ClientResponse response = client_.send(request("DELETE", path(name), {}));
  if (response.status != 204 && response.status != 200 && response.status != 404) refused("remove", name, response);
}

}  // namespace varve::backups
