#include "base/error.h"

#include <gtest/gtest.h>

namespace glassbox {
namespace {

TEST(Error, TellsItsSubjectAndKeepsIt) {
  try {
    fail_at(ErrorKind::bad_request, "messages[2].content", "expected {}, got {}", "a string", 7);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "messages[2].content: expected a string, got 7");
    EXPECT_EQ(error.subject(), "messages[2].content");
    EXPECT_EQ(error.kind(), ErrorKind::bad_request);
  }
  try {
    fail(ErrorKind::io, "a: b");
    ADD_FAILURE();
  } catch (const Error& error) { EXPECT_EQ(error.subject(), ""); }
}

}  // namespace
}  // namespace glassbox
