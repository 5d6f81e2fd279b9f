// The regular expressions of tokenizer files, with the meaning Hugging Face's tokenizers (Oniguruma) and tiktoken
// (Rust) give them, run by PCRE2's compiler.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace glassbox {

// Immutable once made; any number of threads may match at once.
class Regex {
 public:
  // Throws Error(bad_file) for a malformed expression and Error(unsupported) for a construct whose meaning differs
  // between the engines or is not known here (\w, \b, {n,m}+, named groups, ...). `source` names the file in errors.
  static Regex compile(std::string_view expression, std::string_view source);

  const std::string& expression() const { return expression_; }  // as it was given

  // Finds matches one after another, as find_iter() of both references does.
  class Matcher {
   public:
    // `text` must be well-formed UTF-8 and outlive the matcher, as must the Regex.
    Matcher(const Regex& regex, std::string_view text);
    ~Matcher();
    Matcher(const Matcher&) = delete;
    Matcher& operator=(const Matcher&) = delete;
    // The next match as [begin, end), false when there is none. Empty matches are passed over.
    // Throws Error(bad_request) when the expression runs out of its budget of steps or stack on this text.
    bool next(size_t& begin, size_t& end);

   private:
    const Regex& regex_;
    std::string_view text_;
    size_t at_ = 0;
    void* match_data_;
  };

 private:
  Regex() = default;
  std::shared_ptr<void> code_;
  std::string expression_;
};

// The same expression in PCRE2's spelling; what Regex::compile() hands to PCRE2.
std::string to_pcre2(std::string_view expression, std::string_view source);

}  // namespace glassbox
