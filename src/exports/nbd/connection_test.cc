#include "exports/nbd/connection.h"

#include <gtest/gtest.h>

namespace varve::nbd {
namespace {

std::string field(const model::Connection& connection, const std::string& name) {
  return std::get<std::string>(connection.fields.at(name));
}

TEST(ConnectionTest, SocketsAreFoundAgainWhateverTheirPath) {
  for (const char* path : {"/a/nbd.sock", "/with space/nbd.sock", "/a+b/c&d=e/50%/nbd.sock", "/\xc3\xa4/#?/nbd.sock"}) {
    model::Connection made = unix_connection(path, AttachmentId("x"));
    EXPECT_EQ(field(made, "socket"), path);
    EXPECT_EQ(uri_of(made).find(' '), std::string::npos);
    EXPECT_EQ(connection_of(uri_of(made), AttachmentId("x")), made);
  }
  EXPECT_EQ(uri_of(unix_connection("/a/nbd.sock", AttachmentId("x"))), "nbd+unix:///x?socket=/a/nbd.sock");
  EXPECT_EQ(uri_of(unix_connection("/a b", AttachmentId("x"))), "nbd+unix:///x?socket=/a%20b");
  EXPECT_EQ(field(*connection_of("nbd+unix:///x?socket=/a+b", AttachmentId("x")), "socket"), "/a+b");
}

TEST(ConnectionTest, HostsAndPortsAreFoundAgain) {
  for (const char* host : {"127.0.0.1", "example.org", "::1"}) {
    model::Connection made = tcp_connection(host, 10809, AttachmentId("x"));
    EXPECT_EQ(connection_of(uri_of(made), AttachmentId("x")), made);
    EXPECT_EQ(port_of(made), 10809);
  }
  EXPECT_EQ(uri_of(tcp_connection("127.0.0.1", 1, AttachmentId("x"))), "nbd://127.0.0.1:1/x");
  EXPECT_EQ(uri_of(tcp_connection("::1", 1, AttachmentId("x"))), "nbd://[::1]:1/x");
}

TEST(ConnectionTest, OtherUrisAreNone) {
  for (const char* uri : {"", "x", "nbd://host/x", "nbd+unix:///x", "http://host:1/x", "nbd://host:99999/x"}) {
    EXPECT_FALSE(connection_of(uri, AttachmentId("x"))) << uri;
  }
}

}  // namespace
}  // namespace varve::nbd
