#include "base/quote.h"

#include <gtest/gtest.h>

namespace glassbox {
namespace {

TEST(Quote, IsOneLineOfUtf8) {
  EXPECT_EQ(quote("a \"b\"\n\x1b[2J"), R"("a \"b\"\n\u001b[2J")");
  EXPECT_EQ(quote("\xFFx"), "\"\xEF\xBF\xBDx\"");
  EXPECT_EQ(quote(std::string(120, 'a')), "\"" + std::string(120, 'a') + "\"");
  EXPECT_EQ(quote(std::string(119, 'a') + "\u00e9"), "\"" + std::string(119, 'a') + "\"...");
  EXPECT_EQ(quote(std::string(118, 'a') + "\u00e9b"), "\"" + std::string(118, 'a') + "\u00e9\"...");
}

TEST(Quote, BriefNamesWhatIsLong) {
  EXPECT_EQ(brief(Json::parse(R"([1, "a", [2]])")), R"([1,"a",...])");
  EXPECT_EQ(brief(Json::parse(R"({"a": 1})")), "an object");
  EXPECT_EQ(brief(Json(std::vector<int>(9))), "a list of 9");
}

}  // namespace
}  // namespace glassbox
