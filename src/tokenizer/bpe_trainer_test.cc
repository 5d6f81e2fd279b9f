#include "tokenizer/bpe_trainer.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "base/error.h"
#include "tokenizer/splitter.h"
#include "tokenizer/tokenizer.h"

namespace glassbox {
namespace {

using Json = nlohmann::json;

std::vector<std::string> some_texts() {
  const char* words[] = {"the",    "cat",     "sat",    "on",   "a",        "mat",   "and",
                         "banana", "bandana", "thethe", "3.14", "17+25=42", "naïve", "日本"};
  std::mt19937_64 random(7);
  std::vector<std::string> texts;
  for (int i = 0; i < 40; ++i) {
    std::string text;
    for (int j = 0; j < 10; ++j) {
      text += ' ';
      for (size_t n = 1 + random() % 4; n > 0; --n) (text += "bdfk"[random() % 4]) += "aeo"[random() % 3];
    }
    for (int j = 0; j < 30; ++j)
      text += std::string(j ? " " : "") + words[random() % std::size(words)] + (random() % 9 ? "" : ".\n");
    texts.push_back(std::move(text));
  }
  return texts;
}

// The definition: count all pairs anew for every merge.
std::vector<std::pair<std::string, std::string>> plain_merges(const std::vector<std::string>& texts, size_t how_many,
                                                              int64_t min_frequency) {
  std::map<std::vector<std::string>, int64_t> words;
  std::map<std::string, int> id;  // of tokens, in the order they were made: ties go by it
  for (int b = 0; b < 256; ++b) id[std::string(1, static_cast<char>(b))] = b;
  for (const std::string& text : texts)
    for (size_t at = 0; at < text.size();) {
      const size_t end = match_end<KnownPattern::cl100k_1>(text, at);
      std::vector<std::string> word;
      for (; at < end; ++at) word.push_back(text.substr(at, 1));
      ++words[word];
    }
  std::vector<std::pair<std::string, std::string>> merges;
  while (id.size() < 256 + how_many) {
    std::map<std::pair<int, int>, int64_t> counts;
    std::map<int, std::string> name;
    for (const auto& [text, number] : id) name[number] = text;
    for (const auto& [word, count] : words)
      for (size_t i = 0; i + 1 < word.size(); ++i) counts[{id[word[i]], id[word[i + 1]]}] += count;
    std::pair<int, int> best;
    int64_t most = 0;
    for (const auto& [pair, count] : counts)
      if (count > most) most = count, best = pair;
    if (most < min_frequency) break;
    const std::string left = name[best.first], right = name[best.second];
    merges.emplace_back(left, right);
    id.emplace(left + right, static_cast<int>(id.size()));
    std::map<std::vector<std::string>, int64_t> next;
    for (const auto& [word, count] : words) {
      std::vector<std::string> merged;
      for (size_t i = 0; i < word.size(); ++i) {
        if (i + 1 < word.size() && word[i] == left && word[i + 1] == right)
          merged.push_back(left + right), ++i;
        else
          merged.push_back(word[i]);
      }
      next[merged] += count;
    }
    words = std::move(next);
  }
  return merges;
}

TEST(BpeTrainer, LearnsWhatTheDefinitionLearns) {
  const auto texts = some_texts();
  for (size_t min_frequency : {1, 2, 30}) {
    const auto expected = plain_merges(texts, 60, static_cast<int64_t>(min_frequency));
    const std::string made = train_bpe(
        texts, {.vocab_size = 256 + 60, .special_tokens = {}, .split_digits = true, .min_frequency = min_frequency});
    const Tokenizer tokenizer = Tokenizer::from_json(made, "made");
    const Json merges = Json::parse(made)["model"]["merges"];
    ASSERT_EQ(merges.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      const auto left = tokenizer.id_of(merges[i][0].get<std::string>()),
                 right = tokenizer.id_of(merges[i][1].get<std::string>());
      ASSERT_TRUE(left && right);
      EXPECT_EQ(tokenizer.piece(*left), expected[i].first) << i;
      EXPECT_EQ(tokenizer.piece(*right), expected[i].second) << i;
    }
  }
}

TEST(BpeTrainer, MakesATokenizer) {
  const auto texts = some_texts();
  const BpeTrainerOptions options{.vocab_size = 330, .special_tokens = {"<|pad|>", "<|bos|>", "<|eos|>"}};
  const std::string made = train_bpe(texts, options);
  EXPECT_EQ(made, train_bpe(texts, options));
  const Tokenizer tokenizer =
      Tokenizer::from_json(made, "made", bpe_tokenizer_config(options, "<|bos|>", "<|eos|>", "<|pad|>", 1024));
  EXPECT_EQ(tokenizer.size(), 330u);
  EXPECT_EQ(tokenizer.pad(), 0);
  EXPECT_EQ(tokenizer.bos(), 1);
  EXPECT_EQ(tokenizer.eos(), 2);
  EXPECT_TRUE(tokenizer.is_special(2));
  EXPECT_FALSE(tokenizer.is_special(3));
  for (const std::string& text : texts) {
    const auto ids = tokenizer.encode(text);
    EXPECT_LT(ids.size(), text.size() * 2 / 3);
    EXPECT_EQ(tokenizer.decode(ids), text);
  }
  EXPECT_EQ(tokenizer.encode("<|bos|>17"), (std::vector<int32_t>{1, 3 + '1', 3 + '7'}));
  EXPECT_EQ(tokenizer.encode(" 17").size(), 3u);
}

TEST(BpeTrainer, SpecialTokensInTextTeachNothing) {
  const std::vector<std::string> texts(10, "<|turn|>user<|turn|>");
  const std::string made = train_bpe(texts, {.vocab_size = 300, .special_tokens = {"<|turn|>"}});
  const Json merges = Json::parse(made)["model"]["merges"];
  ASSERT_EQ(merges.size(), 3u);  // u s e r
  EXPECT_EQ(merges[0], Json::array({"e", "r"}));
}

TEST(BpeTrainer, RunsOutOfPairs) {
  const std::vector<std::string> texts = {"ab ab", "1234 1234"};
  const std::string made = train_bpe(texts, {.vocab_size = 1000, .special_tokens = {}});
  EXPECT_EQ(Tokenizer::from_json(made, "made").size(), 257u);  // ab; the space before one of them is seen once
}

TEST(BpeTrainer, RefusesContradictions) {
  const std::vector<std::string> texts = {"ab"};
  EXPECT_THROW(train_bpe(texts, {.vocab_size = 256, .special_tokens = {"<s>"}}), Error);
  EXPECT_THROW(train_bpe(texts, {.vocab_size = 300, .special_tokens = {"<s>", "<s>"}}), Error);
  EXPECT_THROW(train_bpe(texts, {.vocab_size = 300, .special_tokens = {""}}), Error);
  EXPECT_THROW(train_bpe(texts, {.vocab_size = 300, .special_tokens = {"a"}}), Error);  // also the byte's name
  EXPECT_THROW(train_bpe(std::vector<std::string>{"\xff"}, {.vocab_size = 300, .special_tokens = {}}), Error);
  EXPECT_THROW(bpe_tokenizer_config({.vocab_size = 300, .special_tokens = {"<s>"}}, "<t>", "", "", 10), Error);
}

}  // namespace
}  // namespace glassbox
