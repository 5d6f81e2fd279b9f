// The text of a regular expression that is being translated, and where the reader is in it: what both dialects share.
#pragma once

#include <string_view>

#include "base/error.h"
#include "base/quote.h"
#include "unicode/utf8.h"

namespace glassbox {

class PatternReader {
 protected:
  // `source` is who wrote it, for errors. Both must outlive the reader.
  PatternReader(std::string_view text, std::string_view source) : text_(text), source_(source) {}

  // Throw Error(bad_file) and Error(unsupported) with the source, the expression and the byte.
  [[noreturn]] void malformed(std::string_view why) const {
    fail(ErrorKind::bad_file, "{}: regular expression {}: {} at byte {}", source_, quote(text_), why, at_);
  }
  [[noreturn]] void unsupported(std::string_view what) const {
    fail(ErrorKind::unsupported, "{}: regular expression {}: {} at byte {} is not supported", source_, quote(text_),
         what, at_);
  }

  bool more() const { return at_ < text_.size(); }
  bool sees(std::string_view what) const { return text_.substr(at_, what.size()) == what; }
  bool take(std::string_view what) {
    if (!sees(what)) return false;
    at_ += what.size();
    return true;
  }
  char32_t take_char() {
    if (!more()) malformed("the end");
    const char32_t c = unicode::next(text_, at_);
    if (c == unicode::kBroken) malformed("a byte that is not UTF-8");
    return c;
  }

  const std::string_view text_, source_;
  size_t at_ = 0;
};

}  // namespace glassbox
