#include "cli/printer.h"

#include <gtest/gtest.h>

namespace glassbox {
namespace {

std::string shown(const Look& look, const std::vector<std::pair<std::string, std::string>>& pieces) {
  Printer printer(look);
  std::string out;
  for (const auto& [reasoning, content] : pieces) out += printer.show({reasoning, content, {}});
  return out + printer.finish();
}

TEST(Printer, ReasoningIsDimOrMarked) {
  EXPECT_EQ(shown({true, true, 80}, {{"2 ", ""}, {"+ 2", ""}, {"", "Four"}}), "\033[2m2 + 2\033[0m\nFour\n");
  EXPECT_EQ(shown({true, false, 80}, {{"2 ", ""}, {"+ 2", ""}, {"", "Four"}}), "<think>2 + 2</think>\nFour\n");
  EXPECT_EQ(shown({}, {{"2", ""}}), "<think>2</think>\n\n");
}

TEST(Printer, PipesGetEveryByteAndTerminalsNoControls) {
  const std::string text = "a  \n\033[2Jb";
  EXPECT_EQ(shown({}, {{"", text}}), text + "\n");
  EXPECT_EQ(shown({true, true, 80}, {{"", text}}), "a\n^[[2Jb\n");
  EXPECT_EQ(shown({true, false, 0}, {{"", text}}), "a  \n^[[2Jb\n") << "a terminal that cannot wrap";
}

}  // namespace
}  // namespace glassbox
