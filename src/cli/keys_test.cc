#include "cli/keys.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace glassbox {
namespace {

// The keys of `bytes` that come in pieces of this size; text that is typed on is joined.
std::vector<std::pair<Key::Kind, std::string>> keys(std::string_view bytes, size_t piece) {
  KeyReader reader;
  std::vector<std::pair<Key::Kind, std::string>> all;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    reader.push(bytes.substr(at, piece));
    while (const auto key = reader.next()) {
      if (key->kind == Key::text && !all.empty() && all.back().first == Key::text)
        all.back().second += key->text_typed;
      else
        all.emplace_back(key->kind, key->text_typed);
    }
  }
  return all;
}

using Keys = std::vector<std::pair<Key::Kind, std::string>>;

void expect(std::string_view bytes, const Keys& wanted) {
  for (const size_t piece : {1, 2, 3, 5, 1000}) EXPECT_EQ(keys(bytes, piece), wanted) << piece;
}

TEST(Keys, EveryScriptIsText) {
  expect("Größe 今日🙂e\u0301\r", {{Key::text, "Größe 今日🙂e\u0301"}, {Key::enter, ""}});
  expect("a\xff\xc3(\n", {{Key::text, "a\uFFFD\uFFFD("}, {Key::enter, ""}});
}

TEST(Keys, Sequences) {
  expect("\033[A\033[B\033[C\033[D", {{Key::up, ""}, {Key::down, ""}, {Key::right, ""}, {Key::left, ""}});
  expect("\033OA\033OH\033OF", {{Key::up, ""}, {Key::line_start, ""}, {Key::line_end, ""}});
  expect("\033[1~\033[4~\033[3~\033[H\033[F", {{Key::line_start, ""},
                                               {Key::line_end, ""},
                                               {Key::erase_forward, ""},
                                               {Key::line_start, ""},
                                               {Key::line_end, ""}});
  expect("\033[1;5D\033[1;3Cx", {{Key::word_left, ""}, {Key::word_right, ""}, {Key::text, "x"}});
  expect("\033b\033f\033d\033\x7f",
         {{Key::word_left, ""}, {Key::word_right, ""}, {Key::kill_word_forward, ""}, {Key::kill_word_back, ""}});
  expect("\033\rx\033[13;2u", {{Key::new_line, ""}, {Key::text, "x"}, {Key::new_line, ""}});
  expect("\033[15~y\033ö", {{Key::nothing, ""}, {Key::text, "y"}, {Key::nothing, ""}});
}

TEST(Keys, Controls) {
  expect("\x01\x05\x0b\x15\x17\x19\x12\x0c\x03\x04\x1a\x10\x0e\x7f\t", {{Key::line_start, ""},
                                                                        {Key::line_end, ""},
                                                                        {Key::kill_to_end, ""},
                                                                        {Key::kill_to_start, ""},
                                                                        {Key::kill_word_back, ""},
                                                                        {Key::yank, ""},
                                                                        {Key::search, ""},
                                                                        {Key::clear_screen, ""},
                                                                        {Key::interrupt, ""},
                                                                        {Key::end_or_erase, ""},
                                                                        {Key::suspend, ""},
                                                                        {Key::older, ""},
                                                                        {Key::newer, ""},
                                                                        {Key::erase_back, ""},
                                                                        {Key::tab, ""}});
  expect(std::string_view("\0", 1), {{Key::end_or_erase, ""}});
}

TEST(Keys, APasteIsTextWhateverIsInIt) {
  expect("\033[200~one\r\ntwo\rthree\n\t\x03\x04 \033[A/bye\r\033[201~!\r",
         {{Key::text, "one\ntwo\nthree\n\t [A/bye\n!"}, {Key::enter, ""}});
  expect("\033[200~one\033[201~\r\033[200~two\033[201~", {{Key::text, "one"}, {Key::enter, ""}, {Key::text, "two"}});
}

}  // namespace
}  // namespace glassbox
