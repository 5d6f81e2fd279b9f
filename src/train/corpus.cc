#include "train/corpus.h"

#include <numeric>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/random.h"

namespace glassbox {

void Corpus::add(const Example& example) {
  check(example.tokens.size() == example.loss_mask.size(), "Corpus: expected a mark for each token");
  tokens_.insert(tokens_.end(), example.tokens.begin(), example.tokens.end());
  loss_mask_.insert(loss_mask_.end(), example.loss_mask.begin(), example.loss_mask.end());
  ends_.push_back(tokens_.size());
}

Corpus::Document Corpus::operator[](size_t i) const {
  const size_t begin = i == 0 ? 0 : ends_[i - 1], count = ends_[i] - begin;
  return {std::span(tokens_).subspan(begin, count), std::span(loss_mask_).subspan(begin, count)};
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
    auto [document, before] = cuts_.back();
    for (int64_t tokens = 0;;) {
      const auto length = static_cast<int64_t>(corpus_[drawn(document)].tokens.size());
      if (tokens > 0 && tokens + length > batch_tokens_) break;
      tokens += length;
      before += length;
      ++document;
      if (tokens >= batch_tokens_) break;
    }
    cuts_.push_back({document, before});
  }
}

std::vector<uint32_t> Batches::documents(int64_t step) {
  cut_until(step + 1);
  std::vector<uint32_t> list;
  for (int64_t i = cuts_[static_cast<size_t>(step)].document; i < cuts_[static_cast<size_t>(step + 1)].document; ++i)
    list.push_back(drawn(i));
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
