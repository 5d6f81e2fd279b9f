#include "prism/story.h"

#include <gtest/gtest.h>

#include <set>

#include "prism/judge.h"
#include "prism/world.h"

namespace glassbox::prism {
namespace {

TEST(Story, EveryStoryToldIsRecognised) {
  std::set<size_t> lengths;
  std::set<std::string> told;
  for (uint64_t i = 0; i < 4000; ++i) {
    Draw draw(8, i);
    Request request = draw_request(draw, i % 2 ? Split::training : Split::held_out);
    EXPECT_EQ(is_held_out(key(request)), i % 2 == 0);
    std::string story = tell_story(request, draw);
    std::vector<std::string> parts = sentences(story);
    lengths.insert(parts.size());
    told.insert(story);
    for (const std::string& sentence : parts) ASSERT_TRUE(is_story_sentence(sentence)) << sentence;
    ASSERT_TRUE(is_story(story, request)) << story;
    Verdict verdict = judge({.kind = Kind::story, .story = request}, story);
    ASSERT_TRUE(verdict.right && verdict.coherent) << story;
    ASSERT_EQ(verdict.accepted, verdict.sentences);
  }
  EXPECT_EQ(lengths, (std::set<size_t>{5, 6, 7, 8}));
  EXPECT_GT(told.size(), 3980u) << "stories hardly ever repeat";
}

TEST(Story, AskingNamesAnimalAndPlace) {
  for (uint64_t i = 0; i < 2000; ++i) {
    Draw draw(9, i);
    Request request = draw_request(draw, Split::training);
    std::string asked = ask_for_story(request, draw);
    EXPECT_TRUE(says(asked, request.animal) && says(asked, request.place) && says(asked, "story")) << asked;
    if (!request.name.empty()) { EXPECT_TRUE(says(asked, request.name)) << asked; }
    EXPECT_EQ(asked.find("  "), std::string::npos) << asked;
  }
}

TEST(Story, RefusesSentencesThatTheGrammarCannotSay) {
  EXPECT_TRUE(is_story_sentence("A shy owl named Pip lived by the lake."));
  EXPECT_TRUE(is_story_sentence("\"What shall I do?\" said the fox."));
  for (const char* wrong :
       {"", ".", "A shy owl named Pip lived in the lake.", "An shy owl named Pip lived by the lake.",
        "A shy owl named pip lived by the lake.", "A shy owl named Pip lived by the lake",
        "A shy shark named Pip lived by the lake.", "A shy owl named Pip lived by the lake. The fox",
        "The owl had many and shared them with Pip.", "The owl had many pears and shared it with Pip.",
        "Once upon a time."})
    EXPECT_FALSE(is_story_sentence(wrong)) << wrong;
}

TEST(Story, AStoryKeepsToItsCastAndOrder) {
  Request request{"fox", "forest", ""};
  const std::string good =
      "A shy fox named Pip lived in the forest. One day, Pip lost a red ball. Then an owl came by and asked "
      "what was wrong. "
      "The owl helped Pip look, and they found the ball behind a tree. From that day on, Pip and the owl "
      "were best friends.";
  ASSERT_TRUE(is_story(good, request));
  auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.rfind(from), from.size(), to);
    return text;
  };
  EXPECT_FALSE(is_story(with("the owl were", "the bear were"), request)) << "another friend";
  EXPECT_FALSE(is_story(with("the ball", "the kite"), request)) << "another thing";
  EXPECT_FALSE(is_story(with("Pip and", "Rusty and"), request)) << "another name";
  EXPECT_FALSE(is_story(with("in the forest", "by the river"), request)) << "another place";
  EXPECT_FALSE(is_story(with(" Then an owl came by and asked what was wrong.", ""), request)) << "no meeting";
  EXPECT_FALSE(is_story(with("an owl came", "a fox came"), request)) << "its own friend";
  EXPECT_FALSE(is_story(good, {"wolf", "forest", ""}));
  EXPECT_FALSE(is_story(good, {"fox", "forest", "Rusty"}));
  EXPECT_FALSE(is_story(good, {"fox", "moon", ""})) << "no such place";
}

TEST(Story, SentencesEndWhereTheyEnd) {
  EXPECT_EQ(sentences("A b. C!  \"D?\" said e. F said, \"G.\" H"),
            (std::vector<std::string>{"A b.", "C!", "\"D?\" said e.", "F said, \"G.\"", "H"}));
  EXPECT_TRUE(sentences("").empty());
  EXPECT_TRUE(sentences(" \n").empty());
  EXPECT_EQ(sentences("...").size(), 1u);
}

TEST(World, NamesAndArticles) {
  EXPECT_EQ(with_article("owl"), "an owl");
  EXPECT_EQ(with_article("fox"), "a fox");
  EXPECT_EQ(counted(1, {"apple", "apples"}), "1 apple");
  EXPECT_EQ(counted(0, {"apple", "apples"}), "0 apples");
  ASSERT_TRUE(find_place("lake"));
  EXPECT_EQ(find_place("lake")->at, "by the");
  EXPECT_FALSE(find_place("moon"));
  std::set<std::string> names;
  for (uint64_t i = 0; i < 1000; ++i) {
    Draw draw(10, i);
    std::string name = invented_name(draw);
    EXPECT_TRUE(name.size() >= 4 && name.size() <= 12) << name;
    names.insert(name);
  }
  EXPECT_GT(names.size(), 950u);
  // A word listed twice would be drawn twice as often, and a plural could be asked for in two ways.
  for (auto list : {world::things, world::foods, world::animals}) {
    std::set<std::string_view> words;
    for (const Noun& noun : list) EXPECT_TRUE(words.insert(noun.one).second) << noun.one;
  }
  for (auto list :
       {world::people, world::pet_names, world::colours, world::traits, world::days, world::jobs, world::spots})
    EXPECT_EQ(std::set<std::string_view>(list.begin(), list.end()).size(), list.size());
}

}  // namespace
}  // namespace glassbox::prism
