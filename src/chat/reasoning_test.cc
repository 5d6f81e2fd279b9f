#include "chat/reasoning.h"

#include <gtest/gtest.h>

namespace glassbox {
namespace {

ReasoningSplitter::Delta split_at(std::string_view text, size_t cut, size_t second, bool open) {
  ReasoningSplitter splitter(open);
  ReasoningSplitter::Delta sum;
  for (const auto& delta : {splitter.push(text.substr(0, cut)), splitter.push(text.substr(cut, second - cut)),
                            splitter.push(text.substr(second)), splitter.finish()}) {
    sum.reasoning += delta.reasoning;
    sum.content += delta.content;
  }
  return sum;
}

void expect_everywhere(std::string_view text, bool open, std::string_view reasoning, std::string_view content) {
  for (size_t cut = 0; cut <= text.size(); ++cut)
    for (size_t second = cut; second <= text.size(); ++second) {
      const auto got = split_at(text, cut, second, open);
      ASSERT_EQ(got.reasoning, reasoning) << cut << " " << second;
      ASSERT_EQ(got.content, content) << cut << " " << second;
    }
}

TEST(ReasoningSplitter, SplitsWhereverTheTextIsCut) {
  expect_everywhere("<think>\nadd 2 < 3\n\n</think>\n\nIt is 5.\n", false, "add 2 < 3", "It is 5.\n");
  expect_everywhere(" <think>a</think>b", false, "a", "b");
  expect_everywhere("<think></think>b", false, "", "b");
}

TEST(ReasoningSplitter, LeavesTextThatDoesNotBeginWithIt) {
  expect_everywhere("  plain <think>x</think>", false, "", "  plain <think>x</think>");
  expect_everywhere("<thin", false, "", "<thin");
  expect_everywhere("", false, "", "");
}

TEST(ReasoningSplitter, ContinuesWhatThePromptOpened) {
  expect_everywhere("\nso </thin </think> done", true, "so </thin", "done");
  expect_everywhere("cut off ", true, "cut off ", "");
  EXPECT_TRUE(ReasoningSplitter::opened_by("<|assistant|>\n<think>\n"));
  EXPECT_FALSE(ReasoningSplitter::opened_by("<think></think>\n"));
}

}  // namespace
}  // namespace glassbox
