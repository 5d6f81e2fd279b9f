#include "cli/edit_buffer.h"

#include <gtest/gtest.h>

namespace glassbox {
namespace {

// The text after these keys, with | where the cursor is.
std::string after(const std::string& text, const std::vector<Key::Kind>& keys) {
  EditBuffer buffer;
  buffer.set(text);
  for (const Key::Kind kind : keys) buffer.apply({kind, ""});
  std::string shown = buffer.text();
  return shown.insert(buffer.cursor(), "|");
}

TEST(EditBuffer, MovesAndErasesWhatPeopleSee) {
  EXPECT_EQ(after("Größe", {Key::left, Key::left, Key::erase_back}), "Gr|ße");
  EXPECT_EQ(after("ae\u0301", {Key::erase_back}), "a|") << "a letter goes with its mark";
  EXPECT_EQ(after("x👩‍👩‍👧🇩🇪", {Key::erase_back}), "x👩‍👩‍👧|");
  EXPECT_EQ(after("x👩‍👩‍👧🇩🇪", {Key::erase_back, Key::left}), "x|👩‍👩‍👧");
  EXPECT_EQ(after("x👩‍👩‍👧", {Key::line_start, Key::right, Key::erase_forward}), "x|");
  EXPECT_EQ(after("", {Key::left, Key::erase_back, Key::erase_forward, Key::right}), "|");
}

TEST(EditBuffer, Words) {
  EXPECT_EQ(after("one two, three", {Key::word_left, Key::word_left}), "one |two, three");
  EXPECT_EQ(after("one two, three", {Key::kill_word_back, Key::kill_word_back}), "one |");
  EXPECT_EQ(after("one two", {Key::line_start, Key::word_right, Key::kill_to_end}), "one|");
  EXPECT_EQ(after("one two", {Key::kill_word_back, Key::line_start, Key::yank}), "two|one ");
  EXPECT_EQ(after("one two", {Key::kill_to_start, Key::yank, Key::yank}), "one twoone two|");
}

TEST(EditBuffer, WhatIsBroughtBackDoesNotGrowWithoutEnd) {
  EditBuffer buffer;
  const std::string pasted(100'000, 'x');
  buffer.set(pasted);
  buffer.apply({Key::kill_to_start, ""});
  buffer.apply({Key::yank, ""});
  EXPECT_EQ(buffer.text(), pasted) << "however long it is";
  for (int cycle = 0; cycle < 20; ++cycle) {
    for (int i = 0; i < 20; ++i) buffer.apply({Key::yank, ""});
    buffer.apply({Key::kill_to_start, ""});
    buffer.apply({Key::yank, ""});
  }
  EXPECT_LT(buffer.text().size(), 300'000u);
}

TEST(EditBuffer, Lines) {
  EXPECT_EQ(after("one\ntwo", {Key::line_start}), "one\n|two");
  EXPECT_EQ(after("first\nsecond", {Key::up}), "first|\nsecond");
  EXPECT_EQ(after("日本語\nabc", {Key::up}), "日|本語\nabc") << "three columns hold one wide character";
  EXPECT_EQ(after("ab\n\ncd", {Key::up, Key::up, Key::down, Key::down, Key::line_end}), "ab\n\ncd|");
  EXPECT_EQ(after("ab\ncd", {Key::up, Key::kill_to_end}), "ab|cd") << "at a line's end, the line end goes";
  EditBuffer buffer;
  buffer.set("one\ntwo");
  EXPECT_FALSE(buffer.apply({Key::down, ""})) << "history's";
  EXPECT_TRUE(buffer.apply({Key::up, ""}));
  EXPECT_FALSE(buffer.apply({Key::up, ""}));
}

using Rows = std::vector<std::string>;

TEST(LayOut, RowsAndCursor) {
  Layout one = lay_out("> ", "abc", 3, 10);
  EXPECT_EQ(one.rows, (Rows{"> abc"}));
  EXPECT_EQ(one.cursor_column, 5);
  Layout two = lay_out("> ", "abc\nde", 1, 10);
  EXPECT_EQ(two.rows, (Rows{"> abc", "  de"}));
  EXPECT_EQ(two.cursor_row, 0u);
  EXPECT_EQ(two.cursor_column, 3);
  two = lay_out("> ", "abc\nde", 3, 10);  // before the line end
  EXPECT_EQ(two.cursor_row, 0u);
  EXPECT_EQ(two.cursor_column, 5);
}

TEST(LayOut, WideCharactersDoNotCrossTheEdge) {
  const Layout wide = lay_out("> ", "語語語語語", 15, 9);
  EXPECT_EQ(wide.rows, (Rows{"> 語語語", "語語"}));
  EXPECT_EQ(wide.cursor_row, 1u);
  EXPECT_EQ(wide.cursor_column, 4);
}

TEST(LayOut, ACursorBehindAFullRowIsOnTheNext) {
  const Layout full = lay_out("> ", "abcdefgh", 8, 10);
  EXPECT_EQ(full.rows, (Rows{"> abcdefgh", ""}));
  EXPECT_EQ(full.cursor_row, 1u);
  EXPECT_EQ(full.cursor_column, 0);
  const Layout before_line_end = lay_out("> ", "abcdefgh\nx", 8, 10);
  EXPECT_EQ(before_line_end.rows, (Rows{"> abcdefgh", "", "  x"}));
  EXPECT_EQ(before_line_end.cursor_row, 1u);
}

}  // namespace
}  // namespace glassbox
