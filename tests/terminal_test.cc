// Conversations on a real terminal: what is typed arrives, whatever its script and whatever the machine's locale.
#include "tests/terminal.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

using ::testing::HasSubstr;
using testing::TemporaryFolder;
using testing::Terminal;

std::vector<std::string> run_prism(std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {GLASSBOX_PROGRAM, "run", "glassbox/prism", "--max-tokens", "4"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

class EveryLocale : public ::testing::TestWithParam<const char*> {};

TEST_P(EveryLocale, EveryScriptArrives) {
  const TemporaryFolder home;
  const std::vector<std::string> lines = {"Größe, ça, Čeština",
                                          "今日はどう？",
                                          "Привет, мир",
                                          "שלום",
                                          "안녕",
                                          "e\u0301 a\u0323\u0302",
                                          "🙂👩‍👩‍👧🇩🇪",
                                          "नमस्ते"};
  Terminal terminal(
      run_prism(),
      {{"GLASSBOX_HOME", home.path()}, {"TERM", "xterm"}, {"LC_ALL", ""}, {"LC_CTYPE", ""}, {"LANG", GetParam()}});
  terminal.until("> ");
  for (const std::string& line : lines) {
    terminal.type(line + "\r");
    ASSERT_THAT(terminal.until("tok/s"), HasSubstr(line));
    terminal.until("> ");
  }
  terminal.type("/exit\r");
  EXPECT_EQ(terminal.status(), 0);
  const std::string history = read_file(home / "run.history");
  for (const std::string& line : lines) EXPECT_THAT(history, HasSubstr(line.substr(0, line.find(' '))));
}

INSTANTIATE_TEST_SUITE_P(Terminal, EveryLocale, ::testing::Values("C.UTF-8", "C", "", "xx_XX.nowhere"));

}  // namespace
}  // namespace glassbox
