// Finds texts that end an answer in a stream that arrives piece by piece, holding back what may be the beginning of
// one.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace glassbox {

class StopText {
 public:
  explicit StopText(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  // What is certainly part of the answer. Once stopped() it stays empty. A silent piece (a special token that is left
  // out of the text) can end the answer, and never comes out.
  std::string push(std::string_view piece, bool silent = false) {
    if (stopped_) return {};
    held_ += piece;
    silent_.resize(held_.size(), silent);
    size_t found = std::string::npos;
    for (const std::string& stop : stops_) found = std::min(found, held_.find(stop));
    if (found != std::string::npos) {
      stopped_ = true;
      return release(found);
    }
    size_t keep = 0;  // longest end of held_ that begins a stop text
    for (const std::string& stop : stops_)
      for (size_t n = std::min(stop.size() - 1, held_.size()); n > keep; --n)
        if (std::string_view(stop).starts_with(std::string_view(held_).substr(held_.size() - n))) keep = n;
    return release(held_.size() - keep);
  }

  bool stopped() const { return stopped_; }
  // What was held back, when nothing will follow.
  std::string finish() { return stopped_ ? "" : release(held_.size()); }

 private:
  std::string release(size_t bytes) {
    std::string out;
    for (size_t i = 0; i < bytes; ++i)
      if (!silent_[i]) out += held_[i];
    held_.erase(0, bytes);
    silent_.erase(silent_.begin(), silent_.begin() + static_cast<ptrdiff_t>(bytes));
    return out;
  }

  std::vector<std::string> stops_;  // none is empty
  std::string held_;
  std::vector<bool> silent_;  // of each byte held
  bool stopped_ = false;
};

}  // namespace glassbox
