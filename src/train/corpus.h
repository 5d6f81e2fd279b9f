// What training reads: documents as token ids, and which of them go into which step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace glassbox {

// A document, and for each token whether it is one the model is to say (1) or only to read (0).
struct Example {
  std::vector<int32_t> tokens;
  std::vector<uint8_t> loss_mask;
};

// Many documents in one piece of memory.
class Corpus {
 public:
  struct Document {
    std::span<const int32_t> tokens;
    std::span<const uint8_t> loss_mask;
  };

  void add(const Example& example);
  size_t size() const { return ends_.size(); }
  int64_t tokens() const { return static_cast<int64_t>(tokens_.size()); }
  Document operator[](size_t i) const;  // valid until the next add()
  uint64_t digest() const;              // of all of it: a run resumes only on the corpus it began with

 private:
  std::vector<int32_t> tokens_;
  std::vector<uint8_t> loss_mask_;
  std::vector<size_t> ends_;
};

// Documents in an order drawn anew for each time through the corpus, cut into steps of at most `batch_tokens` tokens (a
// longer document is a step of its own). A pure function of (lengths, seed, step): a run that resumes needs only its
// step.
class Batches {
 public:
  // The corpus must outlive this and hold at least one document.
  Batches(const Corpus& corpus, uint64_t seed, int64_t batch_tokens);

  std::vector<uint32_t> documents(int64_t step);  // indexes into the corpus
  int64_t tokens_before(int64_t step);            // in all steps before this one
  int64_t steps_for(int64_t tokens);              // the fewest steps with at least so many tokens

 private:
  struct Cut {
    int64_t document, tokens;  // of the endless stream, before this step
  };
  uint32_t drawn(int64_t i);  // document i of the endless stream
  void cut_until(int64_t step);

  const Corpus& corpus_;
  uint64_t key_;
  int64_t batch_tokens_;
  std::vector<Cut> cuts_{{0, 0}};
  int64_t epoch_ = -1;
  std::vector<uint32_t> order_;  // of epoch_
};

}  // namespace glassbox
