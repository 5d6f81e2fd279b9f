#include "chat/reasoning.h"

#include "chat/calls/scan.h"

#include <algorithm>
#include <utility>

namespace glassbox {
namespace {

std::string_view without_leading_space(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(kSpace), text.size()));
}

// Length of the longest end of `text` that begins `tag`.
size_t beginning_of(std::string_view tag, std::string_view text) {
  for (size_t n = std::min(tag.size() - 1, text.size()); n > 0; --n)
    if (text.ends_with(tag.substr(0, n))) return n;
  return 0;
}

}  // namespace

bool ReasoningSplitter::opened_by(std::string_view prompt, std::string_view open_tag) {
  const size_t end = prompt.find_last_not_of(kSpace);
  return end != std::string_view::npos && prompt.substr(0, end + 1).ends_with(open_tag);
}

ReasoningSplitter::Delta ReasoningSplitter::push(std::string_view piece) {
  held_ += piece;
  return take(false);
}

ReasoningSplitter::Delta ReasoningSplitter::finish() { return take(true); }

ReasoningSplitter::Delta ReasoningSplitter::take(bool last) {
  Delta delta;
  if (state_ == State::start) {
    const std::string_view text = without_leading_space(held_);
    if (text.starts_with(open_)) {
      held_ = text.substr(open_.size());
      state_ = State::reasoning;
      skip_space_ = true;
    } else if (last || !open_.starts_with(text)) {
      state_ = State::content;
    } else {
      return delta;
    }
  }
  if (state_ == State::reasoning) {
    if (skip_space_) held_ = without_leading_space(held_);
    const size_t close = held_.find(close_);
    size_t certain = close;
    if (close == std::string::npos) certain = last ? held_.size() : held_.size() - beginning_of(close_, held_);
    // Space before what may be the closing tag waits with it.
    std::string_view text = std::string_view(held_).substr(0, certain);
    if (!last || close != std::string::npos) {
      const size_t end = text.find_last_not_of(kSpace);
      text = text.substr(0, end == std::string_view::npos ? 0 : end + 1);
    }
    delta.reasoning = text;
    skip_space_ = skip_space_ && text.empty();
    if (close == std::string::npos) {
      held_.erase(0, text.size());
      return delta;
    }
    held_.erase(0, close + close_.size());
    state_ = State::content;
    skip_space_ = true;
  }
  if (skip_space_) held_ = without_leading_space(held_);
  skip_space_ = skip_space_ && held_.empty();
  delta.content = std::exchange(held_, {});
  return delta;
}

}  // namespace glassbox
