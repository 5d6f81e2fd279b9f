#include "prism/passage.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "prism/judge.h"

namespace glassbox::prism {
namespace {

TEST(Passage, HasThreeToSixFactsOfItsSplit) {
  std::map<size_t, int> sizes;
  std::set<std::string> shapes;
  for (uint64_t i = 0; i < 2000; ++i) {
    for (Split split : {Split::training, Split::held_out}) {
      Draw draw(5, i);
      Passage passage = draw_passage(draw, split);
      ++sizes[passage.facts.size()];
      std::set<std::string> keys;
      for (const Fact& fact : passage.facts) {
        EXPECT_EQ(is_held_out(fact.key), split == Split::held_out) << fact.key;
        EXPECT_TRUE(keys.insert(fact.key).second) << passage.text();
        EXPECT_NE(passage.text().find(fact.sentence), std::string::npos);
        for (const Question& question : fact.questions)
          shapes.insert(question.text.substr(0, question.text.find(' ', question.text.find(' ') + 1)));
      }
    }
  }
  EXPECT_EQ(sizes.begin()->first, 3u);
  EXPECT_EQ(sizes.rbegin()->first, 6u);
  for (const char* shape : {"What does", "What did", "What colour", "What color", "What is", "Where is", "Where does",
                            "Who has", "Who gave", "How many", "How old", "When does"})
    EXPECT_TRUE(shapes.contains(shape)) << shape;
}

// One question, one answer: no two facts of a passage are asked for in the same words, and what is asked for
// is not what another fact says.
TEST(Passage, QuestionsHaveOneAnswer) {
  for (uint64_t i = 0; i < 10000; ++i) {
    Draw draw(6, i);
    Passage passage = draw_passage(draw, Split::training);
    std::map<std::string, std::string> asked;
    for (const Fact& fact : passage.facts)
      for (const Question& question : fact.questions) {
        ASSERT_TRUE(asked.emplace(question.text, question.answer).second) << question.text << " of " << passage.text();
        ASSERT_TRUE(says(question.answer, question.value)) << question.answer;
        ASSERT_TRUE(question.text.ends_with('?') && question.answer.ends_with('.'));
      }
  }
}

// The answer copies: all its words stand in the passage or in the question.
TEST(Passage, AnswersAreMadeOfWordsAtHand) {
  for (uint64_t i = 0; i < 1500; ++i) {
    Draw draw(7, i);
    Passage passage = draw_passage(draw, Split::held_out);
    for (const Fact& fact : passage.facts)
      for (const Question& question : fact.questions)
        for (size_t at = 0; at < question.answer.size();) {
          size_t end = std::min(question.answer.find_first_of(" .'", at), question.answer.size());
          std::string word = question.answer.substr(at, end - at);
          at = end + 1;
          if (!word.empty()) {
            ASSERT_TRUE(says(passage.text(), word) || says(question.text, word)) << word << " in " << passage.text();
          }
        }
  }
}

}  // namespace
}  // namespace glassbox::prism
