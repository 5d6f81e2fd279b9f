// Additions and subtractions of numbers up to 99, reasoned digit by digit as one does on paper.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "prism/document.h"
#include "prism/random.h"

namespace glassbox::prism {

struct Sum {
  int a, b;
  bool subtract;
  int result() const { return subtract ? a - b : a + b; }
};

// Both operands in [0, 99]; of all question forms, the pair {a, b} is what is held out ("sum 17 25").
std::string key(const Sum& sum);
// Lengths are balanced: a fifth of one digit each, a quarter mixed, the rest of two.
Sum draw_sum(Draw& draw, Split split);

// "17 + 25. Ones: 7 + 5 = 12, carry 1. Tens: 1 + 2 + 1 = 4. So 17 + 25 = 42."
// A smaller minus a larger number is swapped, and says so; of two single digits the sum itself is all.
std::string reasoning(const Sum& sum);
// The first step of such a reasoning that is wrong; nothing if every equation in it holds.
std::optional<std::string> wrong_step(std::string_view reasoning);

// A question in words or signs, and what is answered: "<think>...</think>17 + 25 = 42.", "...Tom has 42
// apples now.", or if `brief` the number alone.
struct SumTurn {
  std::string question, answer;
};
SumTurn ask(const Sum& sum, Draw& draw, bool brief);
// The same as a follow-up to another sum: "And 17 + 25?"
SumTurn ask_next(const Sum& sum, Draw& draw, bool brief);

// What follows "</think>"; all of it where there is none, nothing where the reasoning never ended.
std::string_view without_reasoning(std::string_view answer);
// The number an answer ends with, reasoning left out: the last one it says. A minus sign counts where it
// touches its digits. Nothing if there is none.
std::optional<int> final_number(std::string_view answer);

}  // namespace glassbox::prism
