#include "prism/arithmetic.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "prism/judge.h"

namespace glassbox::prism {
namespace {

TEST(Arithmetic, ReasonsAsOnPaper) {
  EXPECT_EQ(reasoning({17, 25, false}), "17 + 25. Ones: 7 + 5 = 12, carry 1. Tens: 1 + 2 + 1 = 4. So 17 + 25 = 42.");
  EXPECT_EQ(reasoning({88, 11, false}), "88 + 11. Ones: 8 + 1 = 9. Tens: 8 + 1 = 9. So 88 + 11 = 99.");
  EXPECT_EQ(reasoning({42, 17, true}),
            "42 - 17. Ones: 2 - 7, borrow 1: 12 - 7 = 5. Tens: 4 - 1 - 1 = 2. So 42 - 17 = 25.");
  EXPECT_EQ(reasoning({47, 7, true}), "47 - 7. Ones: 7 - 7 = 0. Tens: 4 - 0 = 4. So 47 - 7 = 40.");
  EXPECT_EQ(reasoning({7, 5, false}), "7 + 5 = 12.");
  EXPECT_EQ(reasoning({17, 42, true}),
            "17 - 42. 17 is less than 42, so swap: 42 - 17. Ones: 2 - 7, borrow 1: 12 - 7 = 5. "
            "Tens: 4 - 1 - 1 = 2. So 42 - 17 = 25. And so 17 - 42 = -25.");
}

TEST(Arithmetic, EveryStepOfEverySumHolds) {
  for (int a = 0; a < 100; ++a)
    for (int b = 0; b < 100; ++b)
      for (bool subtract : {false, true}) {
        Sum sum{a, b, subtract};
        std::string text = reasoning(sum);
        ASSERT_FALSE(wrong_step(text)) << text << " wrong: " << *wrong_step(text);
        std::string end = fmt::format("{} {} {} = {}.", a, subtract ? '-' : '+', b, sum.result());
        ASSERT_TRUE(text.ends_with(end)) << text;
        // A reasoning that ends with another number has a step that does not hold.
        text.replace(text.size() - end.size(), end.size(),
                     fmt::format("{} {} {} = {}.", a, subtract ? '-' : '+', b, sum.result() + 1));
        ASSERT_TRUE(wrong_step(text)) << text;
      }
}

TEST(Arithmetic, FindsTheWrongStep) {
  EXPECT_EQ(wrong_step("17 + 25. Ones: 7 + 5 = 13, carry 1."), "7 + 5 = 13");
  EXPECT_EQ(wrong_step("Tens: 4 - 1 - 1 = 3. So 42 - 17 = 25."), "4 - 1 - 1 = 3");
  EXPECT_EQ(wrong_step("So 17 - 42 = 25."), "17 - 42 = 25");
  EXPECT_EQ(wrong_step("7 + = 7."), "7 + = 7");
  EXPECT_EQ(wrong_step("1 + 2 = 3 = 3."), "1 + 2 = 3 = 3");
  EXPECT_FALSE(wrong_step("carry 1. No equation here - at all."));
  EXPECT_TRUE(wrong_step("99999999999999999999 = 1"));
}

TEST(Arithmetic, AnswersSayTheResultHoweverAsked) {
  int stories = 0, negatives = 0, briefs = 0, small = 0, mixed = 0;
  for (uint64_t i = 0; i < 20000; ++i) {
    Draw draw(3, i);
    Sum sum = draw_sum(draw, Split::training);
    ASSERT_TRUE(sum.a >= 0 && sum.a <= 99 && sum.b >= 0 && sum.b <= 99);
    bool brief = draw.percent(10);
    SumTurn turn = draw.percent(50) ? ask(sum, draw, brief) : ask_next(sum, draw, brief);
    ASSERT_EQ(final_number(turn.answer), sum.result()) << turn.question << " " << turn.answer;
    std::string_view said = without_reasoning(turn.answer);
    ASSERT_EQ(turn.answer, "<think>" + reasoning(sum) + "</think>" + std::string(said));
    if (brief) { ASSERT_EQ(said, fmt::format("{}", sum.result())); }
    ASSERT_TRUE(says(turn.question, fmt::format("{}", sum.a)) && says(turn.question, fmt::format("{}", sum.b)))
        << turn.question;
    stories += turn.question.find("How many") != std::string::npos;
    negatives += sum.result() < 0;
    briefs += brief;
    small += sum.a < 10 && sum.b < 10;
    mixed += (sum.a < 10) != (sum.b < 10);
  }
  EXPECT_GT(stories, 2000);
  EXPECT_GT(negatives, 1000);
  EXPECT_LT(negatives, 3000);
  EXPECT_GT(briefs, 1500);
  EXPECT_NEAR(small, 4000, 500);
  EXPECT_NEAR(mixed, 5000, 500);
}

TEST(Arithmetic, HoldsOutPairsOfEveryLengthInBothOrders) {
  std::set<std::pair<int, int>> one, two;
  for (int a = 0; a < 100; ++a)
    for (int b = a; b < 100; ++b) {
      EXPECT_EQ(key({a, b, false}), key({b, a, true}));
      if (is_held_out(key({a, b, false}))) (b < 10 ? one : two).insert({a, b});
    }
  EXPECT_GE(one.size(), 3u);
  EXPECT_LE(one.size(), 10u);
  EXPECT_NEAR(static_cast<double>(two.size()), 500, 75);
}

TEST(Arithmetic, FinalNumberIsTheLastOneSaid) {
  EXPECT_EQ(final_number("<think>1 + 1 = 2.</think>17 + 25 = 42."), 42);
  EXPECT_EQ(final_number("17 - 42 = -25."), -25);
  EXPECT_EQ(final_number("-7"), -7);
  EXPECT_EQ(final_number("42-17"), 17);
  EXPECT_EQ(final_number("42 - 17"), 17);
  EXPECT_EQ(final_number("Tom has 3 apples left, I think."), 3);
  EXPECT_FALSE(final_number("<think>17 + 25 = 42."));
  EXPECT_FALSE(final_number("<think>42</think>I do not know."));
  EXPECT_FALSE(final_number(""));
  EXPECT_FALSE(final_number("99999999999999999999"));
}

}  // namespace
}  // namespace glassbox::prism
