// How well a model foretells a text.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/model.h"

namespace glassbox {

struct PerplexityOptions {
  int64_t context = 512;  // tokens of a window
  int64_t windows = 0;    // only the first so many; 0: all
  int threads = 0;
  const Taps* taps = nullptr;  // listen while the model reads
};

struct Perplexity {
  double perplexity = 0;
  double error = 0;  // one standard deviation of its estimate
  int64_t tokens = 0, windows = 0;
};

// Counted as llama.cpp's perplexity tool counts: the text is cut into windows of `context` tokens that do not overlap
// (what is left behind the last one does not count), each read by itself; where the tokenizer begins texts with BOS,
// each window's first token is replaced by it. The tokens context / 2 + 1 to context - 1 of a window are scored: those
// before them are what the model reads first. `progress` hears of every window. Throws Error(bad_request) for fewer
// than two windows of tokens or a context that the model does not have.
Perplexity measure_perplexity(const Model& model, std::span<const int32_t> tokens, const PerplexityOptions& options,
                              const std::function<void(const Perplexity& so_far, int64_t windows)>& progress = {});

// The tokens of a text as that tool counts them: nothing in the text is a special token, a newline at its end is not
// read, and BOS is put before it where the tokenizer does.
std::vector<int32_t> perplexity_tokens(const Tokenizer& tokenizer, std::string_view text);

}  // namespace glassbox
