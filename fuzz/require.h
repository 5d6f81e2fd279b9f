// What a fuzz target demands of every input: a broken promise aborts, which libFuzzer takes for a finding.
#pragma once

#include <cstdlib>

inline void require(bool condition) {
  if (!condition) std::abort();
}
