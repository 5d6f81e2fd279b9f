#include "cli/message_reader.h"

#include <gtest/gtest.h>

#include <vector>

namespace glassbox {
namespace {

// The message of these lines: whole with the last of them, and no sooner.
std::string read(const std::vector<std::string>& lines) {
  MessageReader reader;
  for (size_t i = 0; i < lines.size(); ++i) EXPECT_EQ(reader.push(lines[i]), i + 1 == lines.size()) << lines[i];
  return reader.text();
}

TEST(MessageReader, OneLine) {
  EXPECT_EQ(read({"Hello"}), "Hello");
  EXPECT_EQ(read({""}), "");
  EXPECT_EQ(read({"pasted\ntext"}), "pasted\ntext");
  EXPECT_EQ(read({"he said \"\"\"no\"\"\""}), "he said \"\"\"no\"\"\"");
}

TEST(MessageReader, ABackslashGoesOn) {
  EXPECT_EQ(read({"one\\", "two\\", "three"}), "one\ntwo\nthree");
  EXPECT_EQ(read({"\\", "two"}), "\ntwo");
}

TEST(MessageReader, QuotesHoldWhatIsBetweenThem) {
  EXPECT_EQ(read({"\"\"\"", "one", "", "/bye", "two\\", "\"\"\""}), "one\n\n/bye\ntwo\\");
  EXPECT_EQ(read({"\"\"\"", "", "one", "\"\"\""}), "\none");
  EXPECT_EQ(read({"\"\"\"one", "two\"\"\" "}), "one\ntwo");
  EXPECT_EQ(read({"  \"\"\"one\"\"\""}), "one");
  EXPECT_EQ(read({"\"\"\"one\ntwo\n\"\"\""}), "one\ntwo") << "pasted at once";
  EXPECT_EQ(read({"\"\"\"\"\"\""}), "");
}

TEST(MessageReader, ClearBeginsAnew) {
  MessageReader reader;
  EXPECT_FALSE(reader.push("\"\"\"one"));
  EXPECT_TRUE(reader.begun());
  EXPECT_TRUE(reader.quoted());
  reader.clear();
  EXPECT_FALSE(reader.begun());
  EXPECT_TRUE(reader.push("two"));
  EXPECT_EQ(reader.text(), "two");
  EXPECT_FALSE(reader.quoted());
}

}  // namespace
}  // namespace glassbox
