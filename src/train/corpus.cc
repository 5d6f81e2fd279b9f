#include "train/corpus.h"

#include <algorithm>
#include <numeric>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/random.h"

namespace glassbox {

int64_t tokens_of(const Example& example) {
  size_t sum = 0;
  for (const Sequence& sequence : example) sum += sequence.tokens.size();
  return static_cast<int64_t>(sum);
}

void Corpus::append(const Sequence& sequence) {
  check(sequence.tokens.size() == sequence.loss_mask.size(), "Corpus: expected a mark for each token");
  tokens_.insert(tokens_.end(), sequence.tokens.begin(), sequence.tokens.end());
  loss_mask_.insert(loss_mask_.end(), sequence.loss_mask.begin(), sequence.loss_mask.end());
  ends_.push_back(tokens_.size());
  rewards_.push_back(sequence.reward);
}

void Corpus::add(const Document& document) {
  append(document);
  groups_.push_back(ends_.size());
}

void Corpus::add_group(const Example& example) {
  for (const Sequence& sequence : example) append(sequence);
  groups_.push_back(ends_.size());
}

int64_t Corpus::tokens_of(size_t i) const { return static_cast<int64_t>(begin_of(groups_[i]) - begin_of(first_of(i))); }

Example Corpus::operator[](size_t i) const {
  Example example;
  for (size_t s = first_of(i); s < groups_[i]; ++s) {
    const size_t begin = begin_of(s), count = ends_[s] - begin;
    example.push_back(
        {std::span(tokens_).subspan(begin, count), std::span(loss_mask_).subspan(begin, count), rewards_[s]});
  }
  return example;
}

uint64_t Corpus::digest() const {
  uint64_t key = 0;
  const auto mix = [&](const auto& values) {
    const auto bytes = std::as_bytes(std::span(values));
    key = key_of(key, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  };
  mix(tokens_);
  mix(loss_mask_);
  mix(ends_);
  // Plain documents keep the digest they had before there were groups, so that their runs can be resumed.
  if (groups_.size() != ends_.size() || std::ranges::any_of(rewards_, [](float reward) { return reward != 0; })) {
    mix(rewards_);
    mix(groups_);
  }
  return key;
}

Batches::Batches(const Corpus& corpus, uint64_t seed, int64_t batch_tokens)
    : corpus_(corpus), key_(key_of(seed, "order of documents")), batch_tokens_(batch_tokens) {
  check(corpus.tokens() > 0 && batch_tokens > 0, "Batches: an empty corpus");
}

uint32_t Batches::drawn(int64_t i) {
  const auto n = static_cast<int64_t>(corpus_.size());
  if (i / n != epoch_) {
    epoch_ = i / n;
    order_.resize(corpus_.size());
    std::iota(order_.begin(), order_.end(), 0u);
    for (size_t j = order_.size(); j > 1; --j) {  // Fisher and Yates
      const auto bits = philox(key_, j, static_cast<uint64_t>(epoch_));
      const uint64_t wide = (uint64_t{bits[0]} << 32) | bits[1];
      std::swap(order_[j - 1], order_[static_cast<size_t>((static_cast<unsigned __int128>(wide) * j) >> 64)]);
    }
  }
  return order_[static_cast<size_t>(i % n)];
}

void Batches::cut_until(int64_t step) {
  while (static_cast<int64_t>(cuts_.size()) <= step) {
    auto [example, before] = cuts_.back();
    for (int64_t tokens = 0;;) {
      const int64_t length = corpus_.tokens_of(drawn(example));
      if (tokens > 0 && tokens + length > batch_tokens_) break;
      tokens += length;
      before += length;
      ++example;
      if (tokens >= batch_tokens_) break;
    }
    cuts_.push_back({example, before});
  }
}

std::vector<uint32_t> Batches::indices(int64_t step) {
  cut_until(step + 1);
  std::vector<uint32_t> list;
  for (int64_t i = cuts_[static_cast<size_t>(step)].example; i < cuts_[static_cast<size_t>(step + 1)].example; ++i)
    list.push_back(drawn(i));
  return list;
}

std::vector<Example> Batches::examples(int64_t step) {
  std::vector<Example> list;
  for (const uint32_t i : indices(step)) list.push_back(corpus_[i]);
  return list;
}

int64_t Batches::tokens_before(int64_t step) {
  cut_until(step);
  return cuts_[static_cast<size_t>(step)].tokens;
}

int64_t Batches::steps_for(int64_t tokens) {
  int64_t step = 0;
  while (tokens_before(step) < tokens) ++step;
  return step;
}

}  // namespace glassbox
