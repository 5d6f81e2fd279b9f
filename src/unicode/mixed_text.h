// Text of which every byte is known to be the system's own ("trusted": a chat template wrote it) or a stranger's (it
// came with the conversation). Tokens that control a model are read in trusted text only.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace glassbox {

// The bytes [first, second) that are trusted: ascending, none empty, no two touching.
using TrustedSpans = std::vector<std::pair<size_t, size_t>>;

// A plain value. Runs of one kind are kept, not bytes: text of one kind costs no more than a string.
class MixedText {
 public:
  MixedText() = default;
  MixedText(std::string text, bool trusted) : text_(std::move(text)), first_(trusted || text_.empty()) {}
  // `text` with `spans` of it trusted. REQUIRES: spans as TrustedSpans has them, within the text.
  MixedText(std::string text, const TrustedSpans& spans);

  const std::string& text() const { return text_; }
  std::string take() && { return std::move(text_); }
  size_t size() const { return text_.size(); }
  bool empty() const { return text_.empty(); }
  bool one_kind() const { return flips_.empty(); }
  bool trusted() const { return first_ && flips_.empty(); }  // all of it; an empty text is
  bool trusted_at(size_t byte) const;
  size_t runs() const { return flips_.size() + 1; }
  TrustedSpans spans() const;

  void append(std::string_view text, bool trusted) {
    if (text.empty()) return;
    if (text_.empty())
      first_ = trusted;
    else if (trusted != ends_trusted())
      flips_.push_back(text_.size());
    text_ += text;
  }
  void append(const MixedText& other) { append(other, 0, other.size()); }
  void append(const MixedText& other, size_t begin, size_t end);
  MixedText part(size_t begin, size_t end) const;
  // A part by the view of it that some search gave. REQUIRES: `view` is empty or lies in text().
  MixedText part(std::string_view view) const;
  void clear() { *this = MixedText(); }

  // Calls `run(view, trusted)` for each run, in order.
  template <class Run>
  void each_run(Run&& run) const {
    const std::string_view all = text_;
    size_t at = 0;
    bool trusted = first_;
    for (const size_t flip : flips_) {
      run(all.substr(at, flip - at), trusted);
      at = flip;
      trusted = !trusted;
    }
    if (at < all.size()) run(all.substr(at), trusted);
  }

 private:
  bool ends_trusted() const { return first_ != (flips_.size() % 2 == 1); }

  std::string text_;
  bool first_ = true;          // whether the first byte is trusted
  std::vector<size_t> flips_;  // where that changes: ascending, within the text
};

}  // namespace glassbox
