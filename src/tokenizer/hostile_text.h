// Texts made to take for ever.
#pragma once

#include <gtest/gtest.h>

#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "tokenizer/tokenizer.h"

namespace glassbox::testing {

inline std::vector<std::pair<std::string, std::string>> hostile(size_t bytes) {
  auto repeated = [&](std::string_view part) {
    std::string out;
    while (out.size() < bytes) out += part;
    return out;
  };
  std::vector<std::pair<std::string, std::string>> texts;
  for (const char* part : {"a",      " ",      "\n",       "1",
                           "-",      "\u0301", "a\u0301",  "\U0001F468\u200d",
                           "\u2581", "'",      "Aa",       "河",
                           "\r\n",   "\t ",    "<0x41>",   "[",
                           "<|",     "\xff",   "\xe2\x96", "\U0001F468\u200d\U0001F469\u200d\U0001F467",
                           "Aé1 "})
    texts.emplace_back(part, repeated(part));
  // Runs that patterns look through to their end in vain.
  texts.emplace_back("spaces before a letter", repeated(" ") + "a");
  texts.emplace_back("breaks before a letter", repeated("\n ") + "a");
  texts.emplace_back("letters before a mark", repeated("a") + "\u0301");
  return texts;
}

// No text may take much more than 30 CPU seconds for 10 MB; quadratic time would be hours.
inline void expect_linear(const Tokenizer& tokenizer, const std::string& name, size_t bytes) {
  double slowest = 0;
  std::string what_slowest;
  for (const auto& [what, text] : hostile(bytes)) {
    const std::clock_t begin = std::clock();
    size_t tokens = 0;
    try {
      tokens = tokenizer.encode(text).size();
    } catch (const Error& error) { ADD_FAILURE() << name << ": " << what << ": " << error.what(); }
    const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    EXPECT_LT(seconds, 2 + 3e-6 * static_cast<double>(bytes)) << name << ": " << what;
    EXPECT_LE(tokens, text.size() + 8) << name << ": " << what;
    if (seconds > slowest) slowest = seconds, what_slowest = what;
  }
  ::testing::Test::RecordProperty("slowest", fmt::format("{} {:.2f} s for {} bytes", what_slowest, slowest, bytes));
}

}  // namespace glassbox::testing
