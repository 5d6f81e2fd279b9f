// What training reads: examples as token ids, and which of them go into which step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace glassbox {

// Token ids in order. Views what somebody else holds.
struct Sequence {
  std::span<const int32_t> tokens;
  std::span<const uint8_t> loss_mask;  // for each token whether the model is to say it (1) or only to read it (0)
  float reward = 0;                    // how good it is, where an objective asks
};

// What is learnt from whole: a document; or a group that an objective compares, such as a chosen and a rejected answer,
// or several of one prompt with their rewards.
using Example = std::vector<Sequence>;
int64_t tokens_of(const Example& example);

// A sequence with memory of its own.
struct Document {
  std::vector<int32_t> tokens;
  std::vector<uint8_t> loss_mask;
  float reward = 0;

  operator Sequence() const { return {tokens, loss_mask, reward}; }
};

// Many examples in one piece of memory.
class Corpus {
 public:
  void add(const Document& document);
  void add_group(const Example& example);  // copies it
  size_t size() const { return groups_.size(); }
  int64_t tokens() const { return static_cast<int64_t>(tokens_.size()); }
  int64_t tokens_of(size_t i) const;   // of example i
  Example operator[](size_t i) const;  // valid until something is added
  uint64_t digest() const;             // of all of it: a run resumes only on the corpus it began with

 private:
  void append(const Sequence& sequence);
  size_t first_of(size_t i) const { return i == 0 ? 0 : groups_[i - 1]; }  // sequence of example i
  size_t begin_of(size_t i) const { return i == 0 ? 0 : ends_[i - 1]; }    // token of sequence i

  std::vector<int32_t> tokens_;
  std::vector<uint8_t> loss_mask_;
  std::vector<size_t> ends_;  // of sequences, in tokens
  std::vector<float> rewards_;
  std::vector<size_t> groups_;  // ends of examples, in sequences
};

// Examples in an order drawn anew for each time through the corpus, cut into steps of at most `batch_tokens` tokens (a
// longer example is a step of its own). A pure function of (lengths, seed, step): a run that resumes needs only its
// step.
class Batches {
 public:
  // The corpus must outlive this and hold at least one example.
  Batches(const Corpus& corpus, uint64_t seed, int64_t batch_tokens);

  std::vector<uint32_t> indices(int64_t step);  // into the corpus
  std::vector<Example> examples(int64_t step);  // views of the corpus
  int64_t tokens_before(int64_t step);          // in all steps before this one
  int64_t steps_for(int64_t tokens);            // the fewest steps with at least so many tokens

 private:
  struct Cut {
    int64_t example, tokens;  // of the endless stream, before this step
  };
  uint32_t drawn(int64_t i);  // example i of the endless stream
  void cut_until(int64_t step);

  const Corpus& corpus_;
  uint64_t key_;
  int64_t batch_tokens_;
  std::vector<Cut> cuts_{{0, 0}};
  int64_t epoch_ = -1;
  std::vector<uint32_t> order_;  // of epoch_
};

}  // namespace glassbox
