#include "api/common/signature.h"

#include <gtest/gtest.h>

#include "base/digest.h"
#include "base/error.h"

namespace varve::api {
namespace {

// The signatures below were made by the vendor's SDK (@huaweicloud/huaweicloud-sdk-core 3.1.211).
constexpr char kSecret[] = "MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc";
const std::string kProject(32, 'a');

http::Request request(http::Verb method, const std::string& name, const std::string& path, const std::string& host) {
  http::Request out;
  out.method = method;
  out.method_name = name;
  out.path = path;
  out.headers.insert("Host", host);
  out.headers.insert("X-Sdk-Date", "20260131T123456Z");
  out.headers.insert("Content-Type", "application/json");
  return out;
}

void sign(http::Request& out, const std::string& headers, const std::string& signature) {
  out.headers.insert("Authorization", "SDK-HMAC-SHA256 Access=QTWAOYTTINDUT2QVKYUC, SignedHeaders=" + headers +
                                          ", Signature=" + signature);
}

std::string expected(const identity::SignedRequest& signed_request) {
  return hmac_sha256_hex(kSecret,
                         "SDK-HMAC-SHA256\n" + signed_request.date + "\n" + sha256_hex(signed_request.canonical));
}

TEST(Signature, OfAQuestion) {
  http::Request get = request(http::Verb::get, "GET", "/v2/" + kProject + "/cloudvolumes/detail", "evs.example.com");
  get.query = "limit=10&name=a%20b&ids=%5B%27x%27%2C'y'%5D&metadata=%7B%27k%27%3A%27%C3%BC%27%7D";
  get.headers.insert("X-Project-Id", kProject);
  sign(get, "content-type;host;x-project-id;x-sdk-date",
       "4d5091cd35117e1c3739d5f3e6dd79e522bff973b82068e3447dbda932c883ca");
  auto read = read_signature(get);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->access_key, "QTWAOYTTINDUT2QVKYUC");
  EXPECT_EQ(read->project_id, kProject);
  EXPECT_FALSE(read->changes);
  EXPECT_EQ(expected(*read), read->signature);
}

TEST(Signature, OfABody) {
  http::Request post = request(http::Verb::post, "POST", "/v3/" + kProject + "/cloudvolumes", "127.0.0.1:8776");
  post.headers.insert("X-Project-Id", kProject);
  post.body = "{\"volume\":{\"name\":\"d\u00e4t\u00e4\",\"size\":10}}";
  sign(post, "content-type;host;x-project-id;x-sdk-date",
       "54e304ee8de3b2968733f431dbc5b77c199f604b907a38884682a01298ec80fe");
  auto read = read_signature(post);
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->changes);
  EXPECT_EQ(expected(*read), read->signature);
  post.body += " ";
  EXPECT_NE(expected(*read_signature(post)), read->signature);
}

TEST(Signature, TakesTheProjectOfThePathWhenNoneIsNamed) {
  http::Request gone =
      request(http::Verb::delete_, "DELETE", "/v2/" + kProject + "/cloudvolumes/591ac654-26d8-41be-bb77-4f90699d2d41",
              "evs.example.com");
  sign(gone, "content-type;host;x-sdk-date", "214b3b8081d030eb8af33e32e9ee239ab2fdfd326ef2c2f0c6ed323dbc0b1ef2");
  auto read = read_signature(gone);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->project_id, kProject);
  EXPECT_EQ(expected(*read), read->signature);
}

TEST(Signature, OtherHeadersAreNoneAndBrokenOnesAreRefused) {
  http::Request get = request(http::Verb::get, "GET", "/", "h");
  EXPECT_FALSE(read_signature(get));
  get.headers.set("Authorization", "Basic eA==");
  EXPECT_FALSE(read_signature(get));
  for (const char* broken :
       {"SDK-HMAC-SHA256", "SDK-HMAC-SHA256 Access=a", "SDK-HMAC-SHA256 Access=a, SignedHeaders=host",
        "SDK-HMAC-SHA256 Access=a, SignedHeaders=x-sdk-date, Signature=s",
        "SDK-HMAC-SHA256 Access=a, SignedHeaders=host, Signature=s"}) {
    get.headers.set("Authorization", broken);
    EXPECT_THROW(read_signature(get), Error) << broken;
  }
  get.headers.set("Authorization", "SDK-HMAC-SHA256 Access=a, SignedHeaders=host;x-sdk-date, Signature=s");
  get.headers.set("X-Sdk-Content-Sha256", "UNSIGNED-PAYLOAD");
  EXPECT_THROW(read_signature(get), Error);
}

}  // namespace
}  // namespace varve::api
