#include "cli/word_wrap.h"

#include <gtest/gtest.h>

#include <vector>

#include "cli/columns.h"

namespace glassbox {
namespace {

// What a terminal without a width shows of `written`: "\033[nD\033[K" takes n columns back.
std::string screen(std::string_view written) {
  std::string line, all;
  for (size_t at = 0; at < written.size(); ++at) {
    if (written[at] == '\n') {
      all += line + "\n";
      line.clear();
    } else if (written[at] == '\033') {
      int back = std::atoi(std::string(written.substr(at + 2)).c_str());
      while (back > 0) {
        const size_t begin = cluster_begin(line, line.size());
        back -= cluster_columns(std::string_view(line).substr(begin));
        line.resize(begin);
      }
      EXPECT_EQ(back, 0);
      at = written.find('K', at);
    } else {
      line += written[at];
    }
  }
  return all + line;
}

std::string wrapped(std::string_view text, int columns, size_t piece = 1000) {
  WordWrap wrap(columns);
  std::string out;
  for (size_t at = 0; at < text.size();) {  // whole characters, as the engine gives them
    size_t end = at;
    for (size_t i = 0; i < piece && end < text.size(); ++i) end = cluster_end(text, end);
    out += wrap.push(text.substr(at, end - at));
    at = end;
  }
  return screen(out);
}

TEST(WordWrap, BreaksBetweenWordsHoweverTheyCome) {
  const std::string text = "The quick brown fox jumps over the lazy dog and runs away.";
  const std::string told = "The quick brown fox\njumps over the lazy\ndog and runs away.";
  for (const size_t piece : {1, 2, 3, 7, 1000}) EXPECT_EQ(wrapped(text, 20, piece), told) << piece;
  EXPECT_EQ(wrapped(text, 0), text);
  EXPECT_EQ(wrapped(text, 200, 1), text);
}

TEST(WordWrap, KeepsLinesAndIndentation) {
  EXPECT_EQ(wrapped("  - one\n\n  - two three four five\n", 20, 1), "  - one\n\n  - two three four\nfive\n");
  EXPECT_EQ(wrapped("ends here           \nnext", 20, 1), "ends here\nnext")
      << "white space at a line's end is not said";
}

TEST(WordWrap, LeavesCodeAndLongWordsToTheTerminal) {
  const std::string code = "```python\nprint('a line that is longer than the terminal is wide')\n```\n";
  for (const size_t piece : {1, 2, 1000}) EXPECT_EQ(wrapped(code, 24, piece), code) << piece;
  EXPECT_EQ(wrapped(code + "and after it words wrap again", 20, 1), code + "and after it words\nwrap again");
  const std::string path = "/a/very/long/path/without/any/space.txt";
  EXPECT_EQ(wrapped("see " + path + " here", 20, 1), "see\n" + path + "\nhere");
}

TEST(WordWrap, CountsColumnsNotBytes) {
  EXPECT_EQ(wrapped("Größe Größe Größe Größe", 20, 1), "Größe Größe Größe\nGröße");
  EXPECT_EQ(wrapped("今日はとても良い天気です。明日も", 20, 1), "今日はとても良い天\n気です。明日も");
  EXPECT_EQ(wrapped("今日はとても良い天。気", 20, 1), "今日はとても良い\n天。気") << "a full stop begins no line";
  EXPECT_EQ(wrapped("e\u0301e\u0301e\u0301e\u0301e\u0301 e\u0301e\u0301e\u0301e\u0301e\u0301 "
                    "e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301 a",
                    20, 1),
            "e\u0301e\u0301e\u0301e\u0301e\u0301 e\u0301e\u0301e\u0301e\u0301e\u0301 "
            "e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301\na");
}

TEST(Columns, Clusters) {
  EXPECT_EQ(columns("abc"), 3);
  EXPECT_EQ(columns("e\u0301"), 1);
  EXPECT_EQ(columns("語"), 2);
  EXPECT_EQ(columns("🙂"), 2);
  EXPECT_EQ(columns("👩‍👩‍👧"), 2);
  EXPECT_EQ(columns("🇩🇪🇫🇷"), 4);
  EXPECT_EQ(columns("❤️"), 2);
  EXPECT_EQ(columns("👍🏽"), 2);
  EXPECT_EQ(columns("\U0001FAE9"), 2) << "newer than the tables";
  EXPECT_EQ(columns("\xff\xfe"), 2);
  const std::string text = "a🇩🇪🇫🇷e\u0301";
  size_t at = text.size();
  std::vector<size_t> begins;
  while (at > 0) begins.push_back(at = cluster_begin(text, at));
  EXPECT_EQ(begins, (std::vector<size_t>{17, 9, 1, 0}));
}

TEST(Columns, ControlsAreShownNotObeyed) {
  EXPECT_EQ(without_controls("a\tb\nc"), "a\tb\nc");
  EXPECT_EQ(without_controls("\033]52;c;eA==\a"), "^[]52;c;eA==^G");
  EXPECT_EQ(without_controls("\u009b2J\x7f\r"), "\uFFFD2J\uFFFD^M");
}

}  // namespace
}  // namespace glassbox
