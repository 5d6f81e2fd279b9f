// Making a byte-level BPE tokenizer from text.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace glassbox {

struct BpeTrainerOptions {
  // Special tokens, the 256 bytes and merges together. Fewer come out when the text runs out of pairs.
  size_t vocab_size = 4096;
  // Take ids 0, 1, 2, ... in this order. Found whole in text, never split, never merged.
  std::vector<std::string> special_tokens;
  // Every digit a token of its own, so that numbers are read column by column.
  bool split_digits = true;
  // A pair seen less often than this makes no token.
  size_t min_frequency = 2;
};

// Byte-level BPE (Sennrich et al. 2016 over bytes, as GPT-2): the text of a tokenizer.json which Tokenizer::from_json
// and Hugging Face's tokenizers both load and encode identically with. Words are split by the pattern of cl100k (Llama
// 3, Qwen2) before merging. Special tokens inside `texts` are taken out first. Deterministic: the same texts and
// options give the same bytes on any machine; of pairs equally frequent the one with the lowest (left id, right id) is
// merged first. Throws Error(bad_request) for options that contradict each other.
std::string train_bpe(std::span<const std::string> texts, const BpeTrainerOptions& options);

// The tokenizer_config.json that goes with it: names the special tokens so that transformers finds them. Pass "" for
// what the model does not have.
std::string bpe_tokenizer_config(const BpeTrainerOptions& options, const std::string& bos_token,
                                 const std::string& eos_token, const std::string& pad_token, size_t model_max_length);

}  // namespace glassbox
