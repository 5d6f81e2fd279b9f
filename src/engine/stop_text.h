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

  // What is certainly part of the answer. Once stopped() it stays empty.
  std::string push(std::string_view piece) {
    if (stopped_) return {};
    held_ += piece;
    size_t found = std::string::npos;
    for (const std::string& stop : stops_) found = std::min(found, held_.find(stop));
    if (found != std::string::npos) {
      stopped_ = true;
      held_.resize(found);
      return std::exchange(held_, {});
    }
    size_t keep = 0;  // longest end of held_ that begins a stop text
    for (const std::string& stop : stops_)
      for (size_t n = std::min(stop.size() - 1, held_.size()); n > keep; --n)
        if (std::string_view(stop).starts_with(std::string_view(held_).substr(held_.size() - n))) keep = n;
    std::string certain = held_.substr(0, held_.size() - keep);
    held_.erase(0, held_.size() - keep);
    return certain;
  }

  bool stopped() const { return stopped_; }
  // What was held back, when nothing will follow.
  std::string finish() { return std::exchange(held_, {}); }

 private:
  std::vector<std::string> stops_;  // none is empty
  std::string held_;
  bool stopped_ = false;
};

}  // namespace glassbox
