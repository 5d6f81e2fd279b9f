#include "tokenizer/bpe_trainer.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <queue>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/quote.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/splitter.h"
#include "unicode/byte_alphabet.h"
#include "unicode/utf8.h"

namespace glassbox {

namespace {

struct Word {
  std::vector<uint32_t> symbols;
  int64_t count = 0;
};

uint64_t pair_key(uint32_t left, uint32_t right) { return uint64_t{left} << 32 | right; }

std::vector<Word> count_words(std::span<const std::string> texts, const BpeTrainerOptions& options,
                              uint32_t first_byte) {
  std::vector<AddedToken> special;
  for (const std::string& content : options.special_tokens) {
    AddedToken token;
    token.content = token.pattern = content;
    token.id = static_cast<int32_t>(special.size());
    special.push_back(std::move(token));
  }
  const AddedTokenFinder finder(std::move(special));
  std::unordered_map<std::string_view, size_t> seen;
  std::vector<Word> words;
  auto count = [&](std::string_view text) {
    for (size_t at = 0; at < text.size();) {
      const size_t end = options.split_digits ? match_end<KnownPattern::cl100k_1>(text, at)
                                              : match_end<KnownPattern::cl100k>(text, at);
      const std::string_view word = text.substr(at, end - at);
      auto [found, fresh] = seen.emplace(word, words.size());
      if (fresh) {
        words.emplace_back();
        for (char byte : word) words.back().symbols.push_back(first_byte + static_cast<uint8_t>(byte));
      }
      ++words[found->second].count;
      at = end;
    }
  };
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string_view text = texts[i];
    if (const size_t good = unicode::valid_prefix(text); good != text.size())
      fail(ErrorKind::bad_request, "BPE trainer: text {} is not UTF-8 at byte {}", i, good);
    size_t at = 0;
    for (const AddedTokenFinder::Found& found : finder.find(text, true)) {
      count(text.substr(at, found.begin - at));
      at = found.end;
    }
    count(text.substr(at));
  }
  return words;
}

struct Candidate {
  int64_t count;
  uint64_t pair;
  // The most frequent comes first, of equals the lowest pair.
  bool operator<(const Candidate& other) const {
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

struct Merge {
  uint32_t left, right;
};

// Learns merges until `tokens` has `size` entries.
std::vector<Merge> learn(std::vector<Word>& words, std::vector<std::string>& tokens, size_t size,
                         int64_t min_frequency) {
  std::unordered_map<uint64_t, int64_t> counts;
  std::unordered_map<uint64_t, std::vector<uint32_t>>
      places;  // words a pair may be in; may name a word twice, or in vain
  auto add = [&](uint32_t word, uint32_t left, uint32_t right, int64_t by) {
    counts[pair_key(left, right)] += by;
    if (by <= 0) return;
    auto& in = places[pair_key(left, right)];
    if (in.empty() || in.back() != word) in.push_back(word);
  };
  for (uint32_t w = 0; w < words.size(); ++w)
    for (size_t i = 0; i + 1 < words[w].symbols.size(); ++i)
      add(w, words[w].symbols[i], words[w].symbols[i + 1], words[w].count);

  std::priority_queue<Candidate> queue;
  for (const auto& [pair, count] : counts) queue.push({count, pair});
  std::unordered_map<std::string, uint32_t> by_text;
  for (uint32_t id = 0; id < tokens.size(); ++id) by_text.emplace(tokens[id], id);

  std::vector<Merge> merges;
  while (tokens.size() < size && !queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    const int64_t now = counts[best.pair];
    if (now != best.count) {  // other merges have used some of it up since
      if (now > 0) queue.push({now, best.pair});
      continue;
    }
    if (now < min_frequency || now <= 0) break;
    const auto left = static_cast<uint32_t>(best.pair >> 32), right = static_cast<uint32_t>(best.pair);
    // (a, bc) and (ab, c) make the same token.
    auto [made, fresh] = by_text.emplace(tokens[left] + tokens[right], static_cast<uint32_t>(tokens.size()));
    if (fresh) tokens.push_back(made->first);
    const uint32_t into = made->second;
    merges.push_back({left, right});

    const std::vector<uint32_t> in = std::move(places[best.pair]);
    places.erase(best.pair);
    std::unordered_set<uint64_t> touched;
    for (uint32_t w : in) {
      std::vector<uint32_t>& symbols = words[w].symbols;
      const int64_t count = words[w].count;
      std::vector<uint32_t> merged;
      for (size_t i = 0; i < symbols.size(); ++i) {
        const bool here = i + 1 < symbols.size() && symbols[i] == left && symbols[i + 1] == right;
        merged.push_back(here ? into : symbols[i]);
        i += here;
      }
      if (merged.size() == symbols.size()) continue;
      for (size_t i = 0; i + 1 < symbols.size(); ++i) add(w, symbols[i], symbols[i + 1], -count);
      for (size_t i = 0; i + 1 < merged.size(); ++i) {
        add(w, merged[i], merged[i + 1], count);
        if (merged[i] == into || merged[i + 1] == into) touched.insert(pair_key(merged[i], merged[i + 1]));
      }
      symbols = std::move(merged);
    }
    counts.erase(best.pair);
    for (uint64_t pair : touched)
      if (const int64_t count = counts[pair]; count > 0) queue.push({count, pair});
  }
  return merges;
}

OrderedJson added_token(const std::string& content) {
  return {{"content", content}, {"single_word", false}, {"lstrip", false},
          {"rstrip", false},    {"normalized", false},  {"special", true}};
}

}  // namespace

std::string train_bpe(std::span<const std::string> texts, const BpeTrainerOptions& options) {
  const size_t special = options.special_tokens.size();
  if (options.vocab_size < special + 256 || options.vocab_size > (size_t{1} << 24))
    fail(ErrorKind::bad_request,
         "BPE trainer: vocab_size {}: expected {} special tokens and 256 bytes at least, 16,777,216 at most",
         options.vocab_size, special);
  for (size_t i = 0; i < special; ++i) {
    const std::string& content = options.special_tokens[i];
    if (content.empty() || unicode::valid_prefix(content) != content.size() ||
        std::count(options.special_tokens.begin(), options.special_tokens.end(), content) != 1)
      fail(ErrorKind::bad_request, "BPE trainer: special token {} ({}) is empty, not UTF-8 or there twice", i,
           quote(content));
  }

  // The bytes, then what is made of them. Special tokens come before, and take no part.
  const auto first_byte = static_cast<uint32_t>(special);
  std::vector<Word> words = count_words(texts, options, 0);
  std::vector<std::string> tokens;
  for (int b = 0; b < 256; ++b) tokens.emplace_back(1, static_cast<char>(b));
  const std::vector<Merge> merges =
      learn(words, tokens, options.vocab_size - special, static_cast<int64_t>(options.min_frequency));

  OrderedJson vocab = OrderedJson::object(), added = OrderedJson::array(), merge_list = OrderedJson::array();
  std::vector<std::pair<std::string, uint32_t>> entries;
  for (uint32_t id = 0; id < special; ++id) {
    entries.emplace_back(options.special_tokens[id], id);
    OrderedJson token = {{"id", id}};
    token.update(added_token(options.special_tokens[id]));
    added.push_back(std::move(token));
  }
  std::vector<std::string> names;
  for (const std::string& token : tokens) {
    names.push_back(unicode::to_alphabet(token));
    if (std::find(options.special_tokens.begin(), options.special_tokens.end(), names.back()) !=
        options.special_tokens.end())
      fail(ErrorKind::bad_request, "BPE trainer: special token {} is also the name of a token that was learned",
           quote(names.back()));
    entries.emplace_back(names.back(), first_byte + static_cast<uint32_t>(entries.size() - special));
  }
  vocab.get_ref<OrderedJson::object_t&>().reserve(entries.size());
  for (auto& [name, id] : entries) vocab.get_ref<OrderedJson::object_t&>().emplace_back(std::move(name), id);
  for (const Merge& merge : merges) merge_list.push_back({names[merge.left], names[merge.right]});

  OrderedJson split = {
      {"type", "Split"},
      {"pattern",
       {{"Regex", std::string(expression_of(options.split_digits ? KnownPattern::cl100k_1 : KnownPattern::cl100k))}}},
      {"behavior", "Isolated"},
      {"invert", false}};
  OrderedJson bytes = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
  OrderedJson file;
  file["version"] = "1.0";
  file["truncation"] = nullptr;
  file["padding"] = nullptr;
  file["added_tokens"] = std::move(added);
  file["normalizer"] = nullptr;
  file["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", OrderedJson::array({split, bytes})}};
  file["post_processor"] = nullptr;
  file["decoder"] = {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}};
  file["model"] = {{"type", "BPE"},
                   {"dropout", nullptr},
                   {"unk_token", nullptr},
                   {"continuing_subword_prefix", nullptr},
                   {"end_of_word_suffix", nullptr},
                   {"fuse_unk", false},
                   {"byte_fallback", false},
                   {"ignore_merges", false},
                   {"vocab", std::move(vocab)},
                   {"merges", std::move(merge_list)}};
  return file.dump(1, ' ') + "\n";
}

std::string bpe_tokenizer_config(const BpeTrainerOptions& options, const std::string& bos_token,
                                 const std::string& eos_token, const std::string& pad_token, size_t model_max_length) {
  OrderedJson file;
  OrderedJson added = OrderedJson::object();
  for (size_t id = 0; id < options.special_tokens.size(); ++id)
    added[std::to_string(id)] = added_token(options.special_tokens[id]);
  file["added_tokens_decoder"] = std::move(added);
  auto name = [&](const char* key, const std::string& token) {
    if (token.empty()) {
      file[key] = nullptr;
      return;
    }
    if (std::find(options.special_tokens.begin(), options.special_tokens.end(), token) == options.special_tokens.end())
      fail(ErrorKind::bad_request, "BPE trainer: {} {} is not among the special tokens", key, quote(token));
    file[key] = token;
  };
  name("bos_token", bos_token);
  name("eos_token", eos_token);
  name("pad_token", pad_token);
  file["clean_up_tokenization_spaces"] = false;
  file["model_max_length"] = model_max_length;
  file["tokenizer_class"] = "PreTrainedTokenizerFast";
  return file.dump(2, ' ') + "\n";
}

}  // namespace glassbox
