// What a fuzz target demands of every input: a broken promise aborts, which libFuzzer takes for a finding.
#pragma once

#include <cstdlib>
#include <string_view>

inline void require(bool condition) {
  if (!condition) std::abort();
}

// An error is one line that a person can read.
inline void require_one_line(std::string_view message) {
  require(message.find('\n') == message.npos && message.size() < 5000);
}
