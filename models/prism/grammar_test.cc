#include "prism/grammar.h"

#include <gtest/gtest.h>

#include <set>

namespace glassbox::prism {
namespace {

Grammar small() {
  return Grammar(
      R"(
# A comment.
greeting = (Hello|Hi), {name}! | Good (morning|evening),
 {name}!
pair = {a hero} and {a friend}(| were (very |)glad).
twice = <pair> <pair>
)",
      {{"name", {}}, {"hero", {{"fox", "owl", "foxhound"}, "friend"}}, {"friend", {{"fox", "owl"}, "hero"}}},
      {{"a", [](const std::string& word) { return (word[0] == 'o' ? "an " : "a ") + word; }}});
}

TEST(Grammar, SaysWhatItAcceptsAndNothingElse) {
  Grammar grammar = small();
  std::set<std::string> said;
  for (uint64_t i = 0; i < 300; ++i) {
    Draw draw(1, i);
    Bindings words;
    std::string text = grammar.say("twice", draw, words);
    EXPECT_TRUE(grammar.accepts("twice", text)) << text;
    said.insert(text.substr(0, text.find('.') + 1));
  }
  // Four pairs of unlike animals, three ways to go on.
  EXPECT_EQ(said.size(), 12u);
  EXPECT_TRUE(grammar.accepts("greeting", "Good evening, Zilo!"));
  for (const char* wrong :
       {"Good evening, zilo!", "Good evening, !", "Good night, Mia!", "Hello, Mia", " Hello, Mia!", "Hello, Mia! ", ""})
    EXPECT_FALSE(grammar.accepts("greeting", wrong)) << wrong;
  EXPECT_TRUE(grammar.accepts("pair", "a foxhound and an owl were very glad."));
  for (const char* wrong : {"an fox and an owl.", "a fox and a fox.", "a fox and an owl were very  glad.",
                            "a wolf and an owl.", "a foxhoun and an owl."})
    EXPECT_FALSE(grammar.accepts("pair", wrong)) << wrong;
  EXPECT_FALSE(grammar.accepts("twice", "a fox and an owl. an owl and a fox.")) << "a slot keeps its word";
}

TEST(Grammar, BindsWhatItMetAndKeepsWhatWasBound) {
  Grammar grammar = small();
  Bindings words;
  ASSERT_TRUE(grammar.accepts("pair", "a foxhound and an owl.", words));
  EXPECT_EQ(*words.find("hero"), "foxhound");
  EXPECT_EQ(*words.find("friend"), "owl");
  EXPECT_FALSE(grammar.accepts("pair", "a fox and an owl.", words));
  EXPECT_EQ(words.size(), 2u);
  Bindings empty;
  EXPECT_FALSE(grammar.accepts("pair", "a fox and a", empty));
  EXPECT_EQ(empty.size(), 0u) << "a failed recognition leaves nothing bound";
}

TEST(Grammar, RefusesTextThatIsNoGrammar) {
  for (const char* wrong : {"a = (x", "a = x)", "a = <b>", "a = {", "no rule", " x", "a = x\na = y", "a = {form slot}"})
    EXPECT_THROW(Grammar{wrong}, std::logic_error) << wrong;
  Draw draw(1, 1);
  Bindings words;
  EXPECT_THROW(small().say("greeting", draw, words), std::logic_error) << "a slot without a list must be bound";
  EXPECT_THROW(small().say("absent", draw, words), std::logic_error);
}

}  // namespace
}  // namespace glassbox::prism
