#include "train/corpus.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace glassbox {
namespace {

Corpus corpus_of(const std::vector<size_t>& lengths) {
  Corpus corpus;
  for (const size_t length : lengths)
    corpus.add({std::vector<int32_t>(length, static_cast<int32_t>(length)), std::vector<uint8_t>(length, 1)});
  return corpus;
}

TEST(Corpus, KeepsDocumentsApart) {
  Corpus corpus;
  corpus.add({{1, 2, 3}, {0, 1, 1}});
  corpus.add({{}, {}});
  corpus.add({{4}, {0}});
  ASSERT_EQ(corpus.size(), 3u);
  EXPECT_EQ(corpus.tokens(), 4);
  EXPECT_TRUE(std::ranges::equal(corpus[0][0].tokens, std::vector<int32_t>{1, 2, 3}));
  EXPECT_TRUE(std::ranges::equal(corpus[0][0].loss_mask, std::vector<uint8_t>{0, 1, 1}));
  EXPECT_TRUE(corpus[1][0].tokens.empty());
  EXPECT_EQ(corpus[2][0].tokens[0], 4);
}

TEST(Corpus, KeepsGroupsTogether) {
  const Document prompt{{9}, {0}}, chosen{{1, 2, 3}, {0, 1, 1}, 1.5f}, rejected{{1, 4}, {0, 1}, -0.5f};
  Corpus corpus;
  corpus.add(prompt);
  corpus.add_group({chosen, rejected});
  corpus.add(prompt);
  ASSERT_EQ(corpus.size(), 3u);
  EXPECT_EQ(corpus.tokens(), 7);
  EXPECT_EQ(corpus.tokens_of(1), 5);
  const Example group = corpus[1];
  ASSERT_EQ(group.size(), 2u);
  EXPECT_EQ(tokens_of(group), 5);
  EXPECT_TRUE(std::ranges::equal(group[0].tokens, chosen.tokens));
  EXPECT_TRUE(std::ranges::equal(group[1].tokens, rejected.tokens));
  EXPECT_TRUE(std::ranges::equal(group[1].loss_mask, rejected.loss_mask));
  EXPECT_EQ(group[0].reward, 1.5f);
  EXPECT_EQ(group[1].reward, -0.5f);
  EXPECT_EQ(corpus[2][0].tokens[0], 9);

  Corpus apart, other_rewards;
  for (const Document& document : {prompt, chosen, rejected, prompt}) apart.add(document);
  other_rewards.add(prompt);
  other_rewards.add_group({rejected, chosen});
  other_rewards.add(prompt);
  EXPECT_NE(apart.digest(), corpus.digest());
  EXPECT_NE(other_rewards.digest(), corpus.digest());
}

TEST(Corpus, DigestTellsCorporaApart) {
  const auto digest = [](std::vector<Document> documents) {
    Corpus corpus;
    for (const Document& document : documents) corpus.add(document);
    return corpus.digest();
  };
  const std::set<uint64_t> different{digest({{{1, 2}, {0, 1}}}), digest({{{1, 3}, {0, 1}}}), digest({{{1, 2}, {1, 1}}}),
                                     digest({{{1}, {0}}, {{2}, {1}}})};
  EXPECT_EQ(different.size(), 4u);
  EXPECT_EQ(digest({{{1, 2}, {0, 1}}}), digest({{{1, 2}, {0, 1}}}));
}

TEST(Batches, EachTimeThroughMeetsEachDocumentOnceInAnotherOrder) {
  std::vector<size_t> lengths;
  for (size_t i = 0; i < 100; ++i) lengths.push_back(1 + i % 7);
  const Corpus corpus = corpus_of(lengths);
  Batches batches(corpus, 5, 1);  // a document a step
  std::vector<uint32_t> first, second;
  for (int64_t step = 0; step < 100; ++step) first.push_back(batches.indices(step).at(0));
  for (int64_t step = 100; step < 200; ++step) second.push_back(batches.indices(step).at(0));
  EXPECT_NE(first, second);
  EXPECT_EQ(std::set<uint32_t>(first.begin(), first.end()).size(), 100u);
  EXPECT_EQ(std::set<uint32_t>(second.begin(), second.end()).size(), 100u);
  EXPECT_FALSE(std::ranges::is_sorted(first));
  EXPECT_NE(Batches(corpus, 6, 1).indices(0), Batches(corpus, 5, 1).indices(0)) << "or one in a hundred";
}

TEST(Batches, AStepIsThatStepHoweverOneComesToIt) {
  const Corpus corpus = corpus_of({5, 9, 2, 7, 7, 1, 30, 4, 4, 8});
  Batches forwards(corpus, 1, 16), straight(corpus, 1, 16);
  std::vector<std::vector<uint32_t>> steps;
  for (int64_t step = 0; step < 40; ++step) steps.push_back(forwards.indices(step));
  EXPECT_EQ(straight.indices(37), steps[37]);
  EXPECT_EQ(straight.indices(3), steps[3]);  // and back, into an epoch it has left
  int64_t tokens = 0;
  for (int64_t step = 0; step < 40; ++step) {
    EXPECT_EQ(straight.tokens_before(step), tokens);
    int64_t here = 0;
    for (const uint32_t d : steps[static_cast<size_t>(step)]) here += corpus.tokens_of(d);
    EXPECT_TRUE(here <= 16 || steps[static_cast<size_t>(step)].size() == 1)
        << "only a longer document exceeds the batch";
    tokens += here;
  }
}

TEST(Batches, StepsForTokens) {
  const Corpus corpus = corpus_of({10, 10, 10, 10});
  Batches batches(corpus, 1, 20);
  EXPECT_EQ(batches.steps_for(20), 1);
  EXPECT_EQ(batches.steps_for(21), 2);
  EXPECT_EQ(batches.steps_for(1000), 50);
}

}  // namespace
}  // namespace glassbox
