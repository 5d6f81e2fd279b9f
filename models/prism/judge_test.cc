#include "prism/judge.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "prism/arithmetic.h"
#include "prism/greetings.h"
#include "prism/passage.h"

namespace glassbox::prism {
namespace {

TEST(Judge, PromptsAreBalancedAndHeldOut) {
  std::vector<Prompt> prompts = make_prompts(400, 1);
  std::map<Kind, int> kinds;
  for (const Prompt& prompt : prompts) {
    ++kinds[prompt.kind];
    EXPECT_EQ(prompt.messages.back().role, Role::user);
    if (prompt.kind == Kind::story) { EXPECT_TRUE(is_held_out(key(prompt.story))); }
    if (prompt.kind == Kind::passage || prompt.kind == Kind::chat) { EXPECT_FALSE(prompt.any.empty()); }
    if (prompt.kind == Kind::passage) { EXPECT_FALSE(prompt.none.empty()); }
    Prompt back = prompt_from(parse_json(dump_json(to_json(prompt)), "line"), "line");
    EXPECT_EQ(to_json(back), to_json(prompt));
  }
  for (Kind kind : {Kind::sum, Kind::passage, Kind::story, Kind::chat}) EXPECT_EQ(kinds[kind], 100) << name(kind);
  EXPECT_EQ(to_json(make_prompts(8, 3)[7]), to_json(make_prompts(400, 3)[7]));
  EXPECT_NE(to_json(make_prompts(8, 3)[7]), to_json(make_prompts(8, 4)[7]));
}

// The generator's own answers are right, other passages' and other facts' answers are wrong.
TEST(Judge, PassageAnswers) {
  for (uint64_t i = 0; i < 1000; ++i) {
    Draw draw(11, i);
    Passage passage = draw_passage(draw, Split::held_out);
    for (const Fact& fact : passage.facts)
      for (const Question& question : fact.questions) {
        Prompt prompt{.kind = Kind::passage, .any = {question.value}};
        for (const Fact& other : passage.facts)
          for (const std::string& value : other.values)
            if (!says(question.answer, value)) prompt.none.push_back(value);
        ASSERT_TRUE(judge(prompt, question.answer).right) << question.answer;
        ASSERT_TRUE(judge(prompt, question.value).right) << question.value;
        prompt.messages = {{Role::user, passage.text() + "\n" + question.text}};
        Verdict verdict = judge(prompt, "<think>" + passage.text() + "</think>" + question.answer);
        ASSERT_TRUE(verdict.right && verdict.reasoned) << question.answer;
        for (const char* elsewhere : {"", "<think></think>", "<think>Nobody knows.</think>"})
          ASSERT_FALSE(judge(prompt, elsewhere + question.answer).reasoned) << elsewhere;
        ASSERT_FALSE(judge(prompt, passage.text()).right) << "an answer that says everything";
        for (const Fact& other : passage.facts)
          if (&other != &fact && !says(other.sentence, question.value)) {
            ASSERT_FALSE(judge(prompt, other.sentence).right) << other.sentence;
          }
      }
  }
}

TEST(Judge, ChatAnswersOfTheGeneratorAreRight) {
  int named = 0;
  for (uint64_t i = 0; i < 20000; ++i) {
    Draw draw(12, i);
    Setting setting = draw_setting(draw);
    Talk talk = draw_talk(setting, draw);
    ASSERT_EQ(talk.messages.size(), 2 * talk.expect.size());
    for (size_t turn = 0; turn < talk.expect.size(); ++turn) {
      const Message& answer = talk.messages[2 * turn + 1];
      ASSERT_EQ(answer.role, Role::assistant);
      ASSERT_TRUE(judge({.kind = Kind::chat, .any = talk.expect[turn]}, answer.content).right) << answer.content;
      ASSERT_FALSE(judge({.kind = Kind::chat, .any = talk.expect[turn]}, "Fish swim.").right);
    }
    // Another name is kept to: only questions about the maker may speak of Prism.
    if (setting.self != "Prism")
      for (const Message& message : talk.messages)
        if (says(message.content, setting.self)) ++named;
  }
  EXPECT_GT(named, 100);
}

TEST(Judge, SumAnswers) {
  Prompt prompt{.kind = Kind::sum, .number = 42};
  EXPECT_TRUE(judge(prompt,
                    "<think>17 + 25. Ones: 7 + 5 = 12, carry 1. Tens: 1 + 2 + 1 = 4. So 17 + 25 = "
                    "42.</think>17 + 25 = 42.")
                  .right);
  EXPECT_TRUE(judge(prompt, "42").right);
  EXPECT_FALSE(judge(prompt, "-42").right);
  EXPECT_FALSE(judge(prompt, "<think>17 + 25 = 42.").right);
  EXPECT_FALSE(judge(prompt, "17 + 25 = 43.").right);
  EXPECT_FALSE(judge(prompt, "").right);
  Verdict lucky = judge(prompt, "<think>7 + 5 = 13.</think>42");
  EXPECT_TRUE(lucky.right);
  EXPECT_FALSE(lucky.reasoned);
}

TEST(Judge, StoryAnswers) {
  Prompt prompt{.kind = Kind::story, .story = {"fox", "forest", ""}};
  const std::string good =
      "A shy fox named Pip lived in the forest. One day, Pip lost a red ball. Then an owl came by and asked "
      "what was wrong. "
      "The owl helped Pip look, and they found the ball behind a tree. From that day on, Pip and the owl "
      "were best friends.";
  Verdict verdict = judge(prompt, good);
  EXPECT_TRUE(verdict.right && verdict.coherent);
  EXPECT_EQ(verdict.sentences, 5);
  verdict = judge(prompt, good.substr(0, good.rfind(" From")));
  EXPECT_FALSE(verdict.right) << "four sentences";
  EXPECT_EQ(verdict.accepted, 4);
  verdict = judge(prompt, good + " The fox was fox.");
  EXPECT_TRUE(verdict.right);
  EXPECT_FALSE(verdict.coherent);
  EXPECT_EQ(verdict.sentences - verdict.accepted, 1);
  prompt.story.animal = "bear";
  EXPECT_FALSE(judge(prompt, good).right) << "another animal";
  prompt.story = {"fox", "forest", "Zilo"};
  EXPECT_FALSE(judge(prompt, good).right) << "another name";
}

TEST(Judge, ReportCountsMissingAnswersAsWrong) {
  std::vector<Prompt> prompts = make_prompts(8, 2);
  std::map<int, std::string> answers{{0, std::to_string(prompts[0].number)}};
  Json result = report(prompts, answers);
  EXPECT_EQ(result["answered"], 1);
  EXPECT_EQ(result["sum"]["prompts"], 2);
  EXPECT_EQ(result["sum"]["right"], 1);
  EXPECT_EQ(result["sum"]["rate"], 0.5);
  EXPECT_EQ(result["sum"]["wrong"], Json::array({4}));
  EXPECT_EQ(result["sum"]["reasoned"], 1);
  EXPECT_EQ(result["passage"]["right"], 0);
  EXPECT_EQ(result["story"]["sentences"], 0);
  EXPECT_EQ(result["story"]["accepted_rate"], 0);
  EXPECT_EQ(report({}, {})["prompts"], 0);
}

TEST(Judge, WordsAreWhole) {
  EXPECT_TRUE(says("Mia has a Red kite.", "red kite"));
  EXPECT_FALSE(says("Mia has a red kitest.", "red kite"));
  EXPECT_FALSE(says("Mia has 17 eggs.", "7"));
  EXPECT_FALSE(says("red big kite", "red kite"));
  EXPECT_FALSE(says("anything", ""));
}

TEST(Judge, RefusesWhatIsNoPrompt) {
  for (const char* wrong :
       {"{}", "[]", R"({"id":"a","kind":"sum","messages":[],"expect":{"number":1}})",
        R"({"id":1,"kind":"cat","messages":[],"expect":{}})", R"({"id":1,"kind":"sum","messages":[],"expect":{}})",
        R"({"id":1,"kind":"chat","messages":[],"expect":{"any":[1],"none":[]}})"})
    EXPECT_THROW(prompt_from(parse_json(wrong, "line"), "line"), Error) << wrong;
}

}  // namespace
}  // namespace glassbox::prism
