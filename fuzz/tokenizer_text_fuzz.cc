// Any bytes as text for tokenizers that know every byte: it comes back as it was, and streams as it decodes.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/require.h"
#include "tokenizer/bpe_trainer.h"
#include "tokenizer/tokenizer.h"
#include "unicode/utf8.h"

namespace {

using namespace glassbox;

Tokenizer byte_level(bool split_digits) {
  const std::vector<std::string> texts(3,
                                       "the fox and the river, the bridge's lantern; we'll walk 12 345 miles\n\n  "
                                       "naïve café über 日本 日本語 aaaaaaaa bababab");
  return Tokenizer::from_json(
      train_bpe(texts, {.vocab_size = 400, .special_tokens = {"<s>", "<|eot|>"}, .split_digits = split_digits}),
      "byte level");
}

// Llama 2's kind, with words as merges would have made them.
Tokenizer byte_fallback() {
  std::string vocab = "\"<unk>\": 0, \"<s>\": 1", merges;
  int next = 2;
  for (int b = 0; b < 256; ++b) {
    const char* digits = "0123456789ABCDEF";
    vocab += std::string(", \"<0x") + digits[b >> 4] + digits[b & 15] + ">\": " + std::to_string(next++);
  }
  for (const char* token : {"▁", "a", "b", "c", "é", "日"})
    vocab += std::string(", \"") + token + "\": " + std::to_string(next++);
  const std::pair<const char*, const char*> pairs[] = {{"▁", "a"},  {"a", "b"},  {"b", "c"},  {"a", "a"}, {"▁", "▁"},
                                                       {"ab", "c"}, {"▁a", "b"}, {"é", "日"}, {"c", "▁"}};
  for (const auto& [left, right] : pairs) {
    vocab += std::string(", \"") + left + right + "\": " + std::to_string(next++);
    merges += (merges.empty() ? "[\"" : ", [\"") + std::string(left) + "\", \"" + right + "\"]";
  }
  return Tokenizer::from_json(
      R"({"added_tokens": [{"id": 1, "content": "<s>", "special": true}], "normalizer": {"type": "Sequence", "normalizers": [
      {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
      "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
      {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}, "model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": true, "vocab": {)" +
          vocab + "}, \"merges\": [" + merges + "]}}",
      "byte fallback");
}

// The first byte says where the text is trusted: nowhere, everywhere, or in runs of so many bytes. Control tokens are
// found in these alone, and what is encoded is the text.
void check_spans(const Tokenizer& tokenizer, const std::string& text) {
  const std::vector<bool> all(tokenizer.size(), true), none(tokenizer.size(), false);
  const size_t run = text.empty() ? 0 : static_cast<unsigned char>(text[0]) % 16;
  TrustedSpans trusted;
  for (size_t at = 0; run > 0 && at < text.size(); at += 2 * run)
    trusted.emplace_back(at, std::min(at + run, text.size()));
  const TrustedSpans whole = text.empty() ? TrustedSpans() : TrustedSpans{{0, text.size()}};
  require(tokenizer.encode(text, whole, all) == tokenizer.encode(text, false));
  require(tokenizer.encode(text, {}, none) == tokenizer.encode(text, false));
  require(tokenizer.encode(text, {}, all) == tokenizer.encode_plain(text));
  const auto ids = tokenizer.encode(text, trusted, all);
  size_t control = 0, allowed = 0;
  for (int32_t id : ids) control += tokenizer.is_special(id);
  for (const auto& [begin, end] : trusted)
    for (int32_t id : tokenizer.encode(text.substr(begin, end - begin), false)) allowed += tokenizer.is_special(id);
  require(control <= allowed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Tokenizer tokenizers[] = {byte_level(true), byte_level(false), byte_fallback()};
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (const Tokenizer& tokenizer : tokenizers) {
    for (bool plain : {false, true}) {
      const auto ids = plain ? tokenizer.encode_plain(text) : tokenizer.encode(text);
      for (int32_t id : ids) require(id >= 0 && static_cast<size_t>(id) < tokenizer.size());
      const std::string back = tokenizer.decode_bytes(ids);
      const bool marks = text.find("\xE2\x96\x81") != std::string::npos;  // decode to spaces
      if (&tokenizer != &tokenizers[2] || (plain && !marks)) require(back == text);
      StreamDecoder stream(tokenizer);
      std::string streamed;
      for (int32_t id : ids) {
        const std::string part = stream.push(id);
        require(unicode::valid_prefix(part) == part.size());
        streamed += part;
      }
      streamed += stream.finish();
      require(streamed == unicode::replace_broken(back));
    }
    check_spans(tokenizer, text);
  }
  return 0;
}
