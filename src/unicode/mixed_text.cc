#include "unicode/mixed_text.h"

#include <algorithm>

namespace glassbox {

MixedText::MixedText(std::string text, const TrustedSpans& spans) : text_(std::move(text)), first_(text_.empty()) {
  for (const auto& [begin, end] : spans) {
    if (begin == 0)
      first_ = true;
    else
      flips_.push_back(begin);
    if (end < text_.size()) flips_.push_back(end);
  }
}

bool MixedText::trusted_at(size_t byte) const {
  const auto after = std::upper_bound(flips_.begin(), flips_.end(), byte);
  return first_ != ((after - flips_.begin()) % 2 == 1);
}

TrustedSpans MixedText::spans() const {
  TrustedSpans spans;
  size_t at = 0;
  each_run([&](std::string_view run, bool trusted) {
    if (trusted) spans.emplace_back(at, at + run.size());
    at += run.size();
  });
  return spans;
}

void MixedText::append(const MixedText& other, size_t begin, size_t end) {
  const std::string_view all = other.text_;
  if (other.one_kind()) return append(all.substr(begin, end - begin), other.first_);
  bool trusted = other.trusted_at(begin);
  for (auto flip = std::upper_bound(other.flips_.begin(), other.flips_.end(), begin);
       flip != other.flips_.end() && *flip < end; ++flip) {
    append(all.substr(begin, *flip - begin), trusted);
    begin = *flip;
    trusted = !trusted;
  }
  append(all.substr(begin, end - begin), trusted);
}

MixedText MixedText::part(size_t begin, size_t end) const {
  MixedText part;
  part.append(*this, begin, end);
  return part;
}

MixedText MixedText::part(std::string_view view) const {
  if (view.empty()) return {};
  const auto begin = static_cast<size_t>(view.data() - text_.data());
  return part(begin, begin + view.size());
}

}  // namespace glassbox
