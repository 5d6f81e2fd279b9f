// Shows how much of a long prompt is read, on standard error where that is a terminal.
#pragma once

#include <chrono>
#include <cstdint>

namespace glassbox {

class ReadingProgress {
 public:
  ReadingProgress();
  void show(int64_t read, int64_t tokens);  // nothing for prompts that are read in a moment
  void clear();                             // before anything else is written

 private:
  bool terminal_, styles_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point since_;
};

}  // namespace glassbox
