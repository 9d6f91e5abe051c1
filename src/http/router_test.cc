#include "http/router.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace varve::http {
namespace {

TEST(Router, PrefersALiteralToAParameter) {
  Router<int> router;
  router.add(Verb::get, "/v3/{project}/volumes/{id}", 1);
  router.add(Verb::get, "/v3/{project}/volumes/detail", 2);
  EXPECT_EQ(*router.find(Verb::get, "/v3/p/volumes/detail").handler, 2);
  auto match = router.find(Verb::get, "/v3/p/volumes/x%20y");
  EXPECT_EQ(*match.handler, 1);
  EXPECT_EQ(match.parameters.get("project"), "p");
  EXPECT_EQ(match.parameters.get("id"), "x y");
}

TEST(Router, GoesBackWhenALiteralLeadsNowhere) {
  Router<int> router;
  router.add(Verb::get, "/v3/types/default", 1);
  router.add(Verb::get, "/v3/{project}/volumes", 2);
  EXPECT_EQ(*router.find(Verb::get, "/v3/types/volumes").handler, 2);
}

TEST(Router, TellsTheAllowedMethods) {
  Router<int> router;
  router.add(Verb::get, "/a", 1);
  router.add(Verb::put, "/a", 2);
  auto match = router.find(Verb::delete_, "/a");
  EXPECT_EQ(match.handler, nullptr);
  EXPECT_EQ(match.allowed.size(), 3U);
  EXPECT_TRUE(router.find(Verb::get, "/b").allowed.empty());
  EXPECT_EQ(*router.find(Verb::head, "/a").handler, 1);
}

TEST(Router, TakesATrailingSlashForAnotherPath) {
  Router<int> router;
  router.add(Verb::get, "/v3/", 1);
  EXPECT_EQ(router.find(Verb::get, "/v3").handler, nullptr);
  EXPECT_NE(router.find(Verb::get, "/v3/").handler, nullptr);
}

TEST(Query, DecodesAndRefusesBadUtf8) {
  Query query = parse_query("a=1&b=x%20y+z&c");
  ASSERT_EQ(query.size(), 3U);
  EXPECT_EQ(query[1].second, "x y z");
  EXPECT_EQ(query[2].second, "");
  EXPECT_THROW(parse_query("a=%ff"), Error);
  EXPECT_THROW(parse_query("a=%4"), Error);
}

}  // namespace
}  // namespace varve::http
