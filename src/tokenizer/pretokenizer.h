// Cutting text into the words that merges stay inside: the "pre_tokenizer" of a tokenizer.json.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "tokenizer/splitter.h"
#include "unicode/regex.h"

namespace glassbox {

// Immutable once made; any number of threads may use it at once.
class PreTokenizer {
 public:
  enum class Behavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };
  enum class Prefix { always, first, never };

  struct Known {
    KnownPattern pattern;
  };
  struct Split {
    std::optional<Regex> regex;  // else the literal text
    std::string literal;
    Behavior behavior = Behavior::isolated;
    bool invert = false;
  };
  struct PrefixSpace {};  // ByteLevel's add_prefix_space; its mapping of bytes to characters is left to the vocabulary
  struct Digits {
    bool individual;
  };
  struct Metaspace {
    std::string mark;
    Prefix prefix;
    bool split;
  };
  enum class Kind {
    white_space,    // WhitespaceSplit: white space is dropped
    words,          // Whitespace: \w+|[^\w\s]+
    bert,           // BertPreTokenizer: white space is dropped, punctuation stands alone
    punctuation,    // Punctuation: every punctuation character is a match
    trailing_space  // white space at the end stands alone
  };
  struct ByKind {
    Kind kind;
    Behavior behavior = Behavior::isolated;  // of punctuation
  };
  using Step = std::variant<Known, Split, PrefixSpace, Digits, Metaspace, ByKind>;

  PreTokenizer() = default;
  explicit PreTokenizer(std::vector<Step> steps, bool byte_level) : steps_(std::move(steps)), byte_level_(byte_level) {}
  // Throws Error(bad_file | unsupported) naming `source`.
  static PreTokenizer from_json(const Json& spec, std::string_view source);

  // What from_json() reads.
  Json to_json() const;
  const std::vector<Step>& steps() const { return steps_; }
  // True if both cut every text alike because they are written alike.
  bool operator==(const PreTokenizer& other) const { return to_json() == other.to_json(); }

  // True if words are to be read as bytes (there is a ByteLevel step): the vocabulary is written in GPT-2's alphabet.
  bool byte_level() const { return byte_level_; }

  // Calls `word` with each word of `text`, in order; what it is given lives until it returns. `first`: nothing of the
  // whole text comes before `text`. Broken UTF-8 is cut out into words of its own where an expression has to be
  // matched.
  template <class Word>
  void split(std::string_view text, bool first, bool well_formed, Word&& word) const {
    if (text.empty()) return;
    if (steps_.empty()) return word(text);
    if (steps_.size() == 1 && well_formed) {  // the way of almost all models, without a call through a pointer
      if (const auto* known = std::get_if<Known>(&steps_[0])) {
        switch (known->pattern) {
          case KnownPattern::gpt2:
            return by_hand<KnownPattern::gpt2>(text, word);
          case KnownPattern::cl100k:
            return by_hand<KnownPattern::cl100k>(text, word);
          case KnownPattern::cl100k_1:
            return by_hand<KnownPattern::cl100k_1>(text, word);
          case KnownPattern::tekken:
            return by_hand<KnownPattern::tekken>(text, word);
          case KnownPattern::deepseek_v3:
            return by_hand<KnownPattern::deepseek_v3>(text, word);
          case KnownPattern::o200k:
            return by_hand<KnownPattern::o200k>(text, word);
        }
      }
    }
    run(0, text, first, well_formed, [&](std::string_view piece) { word(piece); });
  }

 private:
  using Sink = std::function<void(std::string_view)>;

  template <KnownPattern kPattern, class Word>
  static void by_hand(std::string_view text, Word&& word) {
    for (size_t at = 0; at < text.size();) {
      const size_t end = match_end<kPattern>(text, at);
      word(text.substr(at, end - at));
      at = end;
    }
  }

  void run(size_t step, std::string_view text, bool first, bool well_formed, const Sink& sink) const;

  std::vector<Step> steps_;
  bool byte_level_ = false;
};

}  // namespace glassbox
