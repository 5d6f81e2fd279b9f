#include "hub/names.h"

#include <gtest/gtest.h>

#include "hub/testing.h"

namespace glassbox::hub {
namespace {

TEST(Names, OfRepositories) {
  for (const char* name : {"a", "Llama-3.2-1B", "x_y", "0", "a.b-c_d", "UPPER"})
    EXPECT_EQ(refusal_of([&] { check_name("name", name); }), std::nullopt) << name;
  for (const char* name :
       {"", "-a", "a-", ".a", "a.", "a--b", "a..b", "a/b", "a b", "m.git", "M.GIT", "\xc3\xa9", "a\n"})
    EXPECT_EQ(refusal_of([&] { check_name("name", name); }), Refused::bad_name) << name;
  EXPECT_EQ(refusal_of([] { check_name("name", std::string(96, 'a')); }), std::nullopt);
  EXPECT_EQ(refusal_of([] { check_name("name", std::string(97, 'a')); }), Refused::bad_name);
}

TEST(Names, OfOwnersLeaveTheSitesPagesAlone) {
  for (const char* name : {"models", "Datasets", "API", "chat", "settings", "xet"})
    EXPECT_EQ(refusal_of([&] { check_owner_name("owner", name); }), Refused::bad_name) << name;
  for (const char* name : {"local", "models2", "chatty"})
    EXPECT_EQ(refusal_of([&] { check_owner_name("owner", name); }), std::nullopt) << name;
}

TEST(Names, OfBranches) {
  for (const char* name : {"main", "feat/x", "v1.0", "b/x/y", "\xc3\xa9t\xc3\xa9", "a@b"})
    EXPECT_EQ(refusal_of([&] { check_reference_name("branch", name); }), std::nullopt) << name;
  for (const char* name : {"",
                           "/a",
                           "a/",
                           "a//b",
                           "a..b",
                           "a b",
                           "a~1",
                           "a^",
                           "a:b",
                           "a?",
                           "a*",
                           "a[",
                           "a\\b",
                           "-a",
                           "a.",
                           ".a",
                           "a/.b",
                           "a.lock",
                           "a.lock/b",
                           "@",
                           "a@{0}",
                           "HEAD",
                           "refs/heads/x",
                           "refs/pr/1",
                           "\xff",
                           "a\x7f",
                           "0123456789012345678901234567890123456789"})
    EXPECT_EQ(refusal_of([&] { check_reference_name("branch", name); }), Refused::bad_name) << name;
}

TEST(Names, OfPaths) {
  for (const char* path : {"a", "a/b", "sub/to?/a b%c:d,e.txt", "..a", "a..", "\xe2\x82\xac", "a/.gitattributes"})
    EXPECT_EQ(refusal_of([&] { check_path(path); }), std::nullopt) << path;
  for (const char* path : {"", "/a", "a/", "a//b", ".", "..", "a/../b", "a/..", "./a", ".git/config", "a/.GIT", "a\\b",
                           "..\\x", "a\nb", "a\x01", "\xff"})
    EXPECT_EQ(refusal_of([&] { check_path(path); }), Refused::bad_path) << path;
  EXPECT_EQ(refusal_of([] { check_path(std::string("a\0b", 3)); }), Refused::bad_path);
  EXPECT_EQ(refusal_of([] { check_path(std::string(255, 'a')); }), std::nullopt);
  EXPECT_EQ(refusal_of([] { check_path(std::string(256, 'a')); }), Refused::bad_path);
}

}  // namespace
}  // namespace glassbox::hub
