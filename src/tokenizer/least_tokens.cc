// How few tokens a text can be: from what one token covers at most, without encoding anything.
#include <algorithm>

#include "tokenizer/tokenizer_impl.h"
#include "tokenizer/unigram.h"

namespace glassbox {
namespace {

bool is_alphanumeric(char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

// Of a token: bytes that a letter or digit of ASCII may have become part of, alone or with marks over it.
size_t solid_bytes(std::string_view token) {
  return static_cast<size_t>(
      std::ranges::count_if(token, [](char c) { return is_alphanumeric(c) || static_cast<unsigned char>(c) >= 0x80; }));
}

// Every text becomes tokens whole: no symbol is unknown to the model, or left out.
bool knows_all_bytes(const Bpe* bpe, const Unigram* unigram) {
  if (unigram) return !unigram->options().bytes.empty();
  if (bpe->options().symbols != Bpe::Symbols::bytes) return !bpe->options().bytes.empty();
  for (int b = 0; b < 256; ++b)
    if (const char byte = static_cast<char>(b); !bpe->find({&byte, 1})) return false;
  return true;
}

}  // namespace

// Two counts of a text bound it from below, wherever the text may be cut. Its bytes, where none is dropped on the way
// to the model and no token stands for more than its own: then a token is at most `most_bytes` of them, and before
// normalization at most so many times more (composing makes 9 bytes of Hangul 3, and "K" of the Kelvin sign's 3). And
// its letters and digits, which are much fewer in any one token and which hardly anything drops.
Tokenizer::Impl::Coverage Tokenizer::Impl::coverage() const {
  Coverage coverage;
  const TokenModel& model = *parts.model;
  const auto* unigram = dynamic_cast<const Unigram*>(parts.model.get());
  if (!bpe && !unigram) return coverage;                       // WordPiece: a long word is one unknown token
  if (bpe && !bpe->options().suffix.empty()) return coverage;  // the end of a word may be an unknown token
  const bool has_bytes = knows_all_bytes(bpe, unigram);

  bool bytes = has_bytes, solid = true, composes = false;
  size_t shrink = 1;
  for (const Normalizer::Step& step : parts.normalizer.steps()) {
    if (const auto* replace = std::get_if<Normalizer::Replace>(&step)) {
      if (replace->with.size() < replace->what.size()) {
        bytes = false;
        if (std::ranges::any_of(replace->what, is_alphanumeric)) solid = false;
      }
    } else if (std::holds_alternative<Normalizer::Compose>(step)) {
      composes = true;
      shrink *= std::get<Normalizer::Compose>(step).compatibility ? 8 : 4;
    } else if (std::holds_alternative<Normalizer::ReplaceRegex>(step) ||
               std::holds_alternative<Normalizer::Mapped>(step)) {
      bytes = solid = false;  // what they leave out cannot be told from here
    } else if (std::holds_alternative<Normalizer::Lower>(step)) {
      shrink *= 3;  // "k" of the Kelvin sign
    } else if (!std::holds_alternative<Normalizer::Prepend>(step)) {
      bytes = false;  // white space, control characters or marks are left out
      composes = composes || std::holds_alternative<Normalizer::Bert>(step);
    }
  }
  for (const PreTokenizer::Step& step : parts.pretokenizer.steps()) {
    if (const auto* split = std::get_if<PreTokenizer::Split>(&step)) {
      if (split->behavior == PreTokenizer::Behavior::removed) bytes = solid = false;
    } else if (std::holds_alternative<PreTokenizer::ByKind>(step)) {
      bytes = false;  // white space or punctuation may be left out
    }
  }
  if (composes && !has_bytes) solid = false;  // "é" may be unknown where "e" is not

  const auto look = [&](std::string_view text) {
    coverage.most_bytes = std::max(coverage.most_bytes, text.size());
    coverage.most_solid = std::max(coverage.most_solid, solid_bytes(text));
  };
  for (uint32_t id = 0; id < model.size(); ++id)
    if (model.defined(id)) look(model.text(id));
  for (const AddedToken& token : parts.added) {
    if (token.lstrip || token.rstrip) bytes = false;  // takes any amount of white space along
    look(token.content);
    if (const auto text = added_text.find(token.id); text != added_text.end()) look(text->second);
  }
  coverage.most_bytes = bytes ? coverage.most_bytes * shrink : 0;
  if (!solid) coverage.most_solid = 0;
  for (int c = 0; c < 128; ++c) {
    const char text = static_cast<char>(c);
    coverage.solid[static_cast<size_t>(c)] = is_alphanumeric(text) && (has_bytes || model.find({&text, 1}).has_value());
  }
  return coverage;
}

size_t Tokenizer::least_tokens(std::string_view text) const {
  const Impl::Coverage& covers = impl_->covers;
  size_t least = covers.most_bytes ? text.size() / covers.most_bytes : 0;
  if (covers.most_solid) {
    size_t count = 0;
    for (const char c : text) count += covers.solid[static_cast<unsigned char>(c)];
    least = std::max(least, count / covers.most_solid);
  }
  return least;
}

}  // namespace glassbox
