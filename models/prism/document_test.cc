#include "prism/document.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "prism/arithmetic.h"
#include "prism/judge.h"
#include "prism/mixture.h"
#include "prism/story.h"
#include "prism/world.h"

namespace glassbox::prism {
namespace {

TEST(Document, TheSameKeyMakesTheSameTextForever) {
  uint64_t all = 0;
  for (uint64_t i = 0; i < 1000; ++i) all = mix(all ^ hash(dump_json(to_json(make_document(1, i)))));
  EXPECT_EQ(all, 13049630971345940213u) << "the training text changed, or a compiler draws in another order";
  EXPECT_EQ(make_document(1, 999), make_document(1, 999));
  EXPECT_NE(make_document(1, 999), make_document(1, 998));
  EXPECT_NE(make_document(1, 999), make_document(2, 999));
}

TEST(Document, IsAConversationThatFits) {
  std::map<Kind, int> kinds;
  size_t longest = 0, characters = 0;
  int systems = 0;
  constexpr int kCount = 20000;
  for (uint64_t i = 0; i < kCount; ++i) {
    Document document = make_document(2, i);
    ++kinds[document.kind];
    size_t size = 0;
    bool user_next = true;
    for (const Message& message : document.messages) {
      size += message.content.size();
      ASSERT_FALSE(message.content.empty());
      ASSERT_EQ(message.content.find("  "), std::string::npos) << message.content;
      ASSERT_EQ(message.content.find_first_of("{}<>|"), message.content.find("<think>")) << message.content;
      if (message.role == Role::system) {
        ASSERT_EQ(&message, &document.messages.front());
        ++systems;
        continue;
      }
      ASSERT_EQ(message.role == Role::user, user_next) << dump_json(to_json(document));
      user_next = !user_next;
    }
    ASSERT_TRUE(user_next && document.messages.size() >= 2) << "the assistant speaks last";
    longest = std::max(longest, size);
    characters += size;
  }
  for (const Share& share : kMixture)
    EXPECT_NEAR(kinds[share.kind], share.documents * kCount / 100, kCount / 100) << name(share.kind);
  // A token is 2.6 characters: the longest must fit 1,024 tokens, most are below 200.
  EXPECT_LT(longest, 2600u);
  EXPECT_LT(characters / kCount, 480u);
  EXPECT_NEAR(systems, kCount / 2, kCount / 20);
}

// What a text says of facts, sums and stories, read back by other means than it was written.
struct Seen {
  std::set<std::string> facts, sums, stories;

  void read(const Document& document) {
    for (size_t i = 0; i < document.messages.size(); ++i) {
      const Message& message = document.messages[i];
      if (message.role != Role::user) continue;
      std::vector<std::string> words(1);
      std::vector<int> numbers;
      for (char c : message.content + " ") {
        if (std::isalnum(static_cast<unsigned char>(c))) {
          words.back() += c;
        } else if (!words.back().empty()) {
          if (std::isdigit(static_cast<unsigned char>(words.back()[0]))) numbers.push_back(std::stoi(words.back()));
          words.emplace_back();
        }
      }
      bool summed = document.messages[i + 1].content.find(" = ") != std::string::npos;
      if (summed && numbers.size() == 2)
        sums.insert(fmt::format("{} {}", std::min(numbers[0], numbers[1]), std::max(numbers[0], numbers[1])));
      if (std::ranges::find(words, "story") != words.end()) {
        std::string animal, place;
        for (const std::string& word : words) {
          if (std::ranges::find(world::animals, word, &Noun::one) != world::animals.end()) animal = word;
          if (find_place(word)) place = word;
        }
        stories.insert(fmt::format("{} {}", animal, place));
      }
      if (document.kind != Kind::passage) continue;
      std::string text = message.content;
      for (char& c : text) c = c == '\n' ? ' ' : c;
      if (text.starts_with("Read this: ")) text.erase(0, 11);
      for (const std::string& sentence : sentences(text))
        if (sentence.ends_with('.')) facts.insert(sentence);
    }
  }
};

TEST(Document, TrainingNeverSeesWhatIsHeldOut) {
  Seen held_out, training;
  for (uint64_t i = 0; i < 6000; ++i) held_out.read(make_document(1, i, Split::held_out));
  EXPECT_GT(held_out.facts.size(), 8000u);
  EXPECT_GT(held_out.sums.size(), 450u);
  EXPECT_GT(held_out.stories.size(), 90u);
  for (const std::string& pair : held_out.sums) EXPECT_TRUE(is_held_out("sum " + pair)) << pair;
  for (const std::string& pair : held_out.stories) EXPECT_TRUE(is_held_out("story " + pair)) << pair;
  for (uint64_t i = 0; i < 100000; ++i) {
    Document document = make_document(1, i);
    training.facts.clear();  // a hundred thousand documents' facts at once would be some 200 MB under a sanitizer
    training.read(document);
    for (const std::string& fact : training.facts) ASSERT_FALSE(held_out.facts.contains(fact)) << fact;
  }
  EXPECT_GT(training.sums.size(), 4000u);
  EXPECT_GT(training.stories.size(), 900u);
  for (const std::string& pair : training.sums) EXPECT_FALSE(is_held_out("sum " + pair)) << pair;
  for (const std::string& pair : training.stories) EXPECT_FALSE(is_held_out("story " + pair)) << pair;
}

// A sum's steps are true; a passage is read again word for word, up to a sentence that says the answer.
TEST(Document, EveryReasoningInItHolds) {
  constexpr std::string_view open = "<think>", close = "</think>";
  int sums = 0, recitals = 0;
  for (uint64_t i = 0; i < 20000; ++i) {
    std::string asked;
    for (const Message& message : make_document(4, i).messages) {
      if (message.role == Role::user) asked += message.content + "\n";
      std::string_view said = without_reasoning(message.content);
      if (said.size() == message.content.size()) continue;
      std::string_view reasoning(message.content);
      reasoning = reasoning.substr(open.size(), message.content.size() - said.size() - open.size() - close.size());
      auto wrong = wrong_step(reasoning);
      ASSERT_FALSE(wrong) << message.content;
      if (reasoning.find(" = ") != std::string_view::npos) {
        ++sums;
        continue;
      }
      ++recitals;
      ASSERT_NE(asked.find(reasoning), std::string::npos) << message.content;
      std::string last = sentences(reasoning).back(), answer(said);
      if (answer.ends_with('.')) answer.pop_back();
      size_t is = answer.find(" is "), owner = answer.find("'s ");
      bool of_colour = owner != std::string::npos && is != std::string::npos;  // "Mia's kite is red."
      ASSERT_TRUE(says(last, of_colour ? answer.substr(is + 4) : answer)) << message.content;
    }
  }
  EXPECT_GT(sums, 5000);
  EXPECT_GT(recitals, 20000);
}

// What clients send back has no reasoning: such conversations are in the text, and their bare answers are not
// learnt.
TEST(Document, EarlierAnswersWithoutReasoningAreNotImitated) {
  int bare = 0, kept = 0;
  for (uint64_t i = 0; i < 20000; ++i) {
    Document document = make_document(6, i);
    bool reasoned_before = false;
    for (const Message& message : document.messages) {
      bool reasoned = message.content.starts_with("<think>");
      if (!message.learn) {
        ++bare;
        EXPECT_EQ(message.role, Role::assistant);
        EXPECT_FALSE(reasoned || reasoned_before) << message.content;
        if (document.kind == Kind::sum) { EXPECT_TRUE(final_number(message.content)) << message.content; }
      }
      kept += reasoned && reasoned_before;
      reasoned_before |= reasoned;
    }
    EXPECT_TRUE(document.messages.back().learn);
  }
  EXPECT_GT(bare, 1000);
  EXPECT_GT(kept, 2000);
}

TEST(Document, JsonGoesThereAndBack) {
  for (uint64_t i = 0; i < 100; ++i) {
    Document document = make_document(5, i);
    Json json = parse_json(dump_json(to_json(document)), "line");
    EXPECT_EQ(json["kind"], name(document.kind));
    EXPECT_EQ(messages_from(json["messages"], "line"), document.messages);
  }
  for (const char* wrong : {"{}", "[1]", "[{\"role\":\"user\"}]", "[{\"role\":\"cat\",\"content\":\"\"}]",
                            "[{\"role\":\"user\",\"content\":1}]", R"([{"role":"user","content":"","learn":1}])"})
    EXPECT_THROW(messages_from(parse_json(wrong, "line"), "line"), Error) << wrong;
}

}  // namespace
}  // namespace glassbox::prism
