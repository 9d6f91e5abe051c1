#include "base/thread.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <stdexcept>

namespace varve {
namespace {

TEST(ThreadTest, WhatItsFunctionThrowsEndsNothing) {
  int calls = 0;
  Thread thread("throws", [&] {
    if (++calls < 3) throw std::runtime_error("a disk is full");
  });
  thread.join();
  EXPECT_EQ(calls, 3);
}

TEST(ThreadTest, HasItsName) {
  std::string name(32, '\0');
  Thread thread("a name of many letters", [&] { pthread_getname_np(pthread_self(), name.data(), name.size()); });
  thread.join();
  EXPECT_STREQ(name.c_str(), "a name of many ");
}

TEST(ThreadTest, IsJoinedByItsEndAndByItsSuccessor) {
  bool first = false;
  bool second = false;
  {
    Thread thread("first", [&] { first = true; });
    thread = Thread("second", [&] { second = true; });
    EXPECT_TRUE(first);
  }
  EXPECT_TRUE(second);
}

}  // namespace
}  // namespace varve
