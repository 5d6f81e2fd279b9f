// What is done to text before it is cut into words: the "normalizer" of a tokenizer.json.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "tokenizer/charsmap.h"
#include "unicode/regex.h"

namespace glassbox {

// Immutable once made; any number of threads may use it at once.
class Normalizer {
 public:
  struct Prepend {
    std::string text;
    bool first_only;
  };  // before a text that is not empty; or only where it begins
  struct Squeeze {
    std::string mark;
  };  // spaces at both ends, marks at the end too, dropped; several spaces made one
  struct Replace {
    std::string what, with;
  };
  struct ReplaceRegex {
    Regex what;
    std::string with;
  };
  struct Compose {
    bool compose, compatibility;
  };  // NFC, NFD, NFKC, NFKD
  struct Mapped {
    std::shared_ptr<const Charsmap> map;
    bool graphemes;  // as tokenizers does it, else as SentencePiece does
  };
  struct Lower {};  // character by character
  struct Strip {
    bool left, right;
  };  // white space at the ends
  struct StripAccents {};  // combining marks dropped, nothing decomposed
  struct Bert {
    bool clean, chinese, accents, lower;  // in this order
  };
  using Step = std::variant<Prepend, Squeeze, Replace, ReplaceRegex, Compose, Mapped, Lower, Strip, StripAccents, Bert>;

  Normalizer() = default;
  explicit Normalizer(std::vector<Step> steps) : steps_(std::move(steps)) {}
  // Throws Error(bad_file | unsupported) naming `source`.
  static Normalizer from_json(const Json& spec, std::string_view source);

  // What from_json() reads. Throws Error(unsupported) naming `source` for what no normalizer of a tokenizer.json does.
  Json to_json(std::string_view source) const;

  bool identity() const { return steps_.empty(); }
  const std::vector<Step>& steps() const { return steps_; }
  // The normalized text: `text` itself where nothing had to be done, else `storage`. `first`: nothing of the whole text
  // comes before `text`.
  std::string_view apply(std::string_view text, bool first, std::string& storage) const;

 private:
  std::vector<Step> steps_;
};

}  // namespace glassbox
