#include "prism/arithmetic.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <vector>

#include "prism/grammar.h"
#include "prism/world.h"

namespace glassbox::prism {
namespace {

// {a} and {b} are the operands as digits; {A}, {B}, {C} operands and result counted ("25 apples"), {c} the
// result.
constexpr std::string_view kQuestions = R"(
add = What is <a+b>? | What is <a+b>? | (How much|What) is <a+b>? | <a+b> | <a+b> =? | <a+b> = | Calculate <a+b>.
 | Add {a} and {b}. | (Can|Could) you add {a} and {b}? | What is the sum of {a} and {b}? | What do you get if you add {b} to {a}?
 | Please (add|sum) {a} and {b}. | How much do {a} and {b} make? | Do you know what <a+b> is? | Can you tell me <a+b>?
a+b = {a} + {b} | {a} + {b} | {a}+{b} | {a} plus {b}
subtract = What is <a-b>? | What is <a-b>? | (How much|What) is <a-b>? | <a-b> | <a-b> =? | <a-b> = | Calculate <a-b>.
 | Subtract {b} from {a}. | (Can|Could) you (subtract|take) {b} from {a}? | What do you get if you take {b} from {a}?
 | Please subtract {b} from {a}. | Take {b} away from {a}. | Do you know what <a-b> is? | Can you tell me <a-b>?
a-b = {a} - {b} | {a} - {b} | {a}-{b} | {a} minus {b}
next_add = And <a+b>? | What about <a+b>? | Now <a+b>. | And what is <a+b>? | <a+b>? | Next: <a+b> | Then <a+b>?
next_subtract = And <a-b>? | What about <a-b>? | Now <a-b>. | And what is <a-b>? | <a-b>? | Next: <a-b> | Then <a-b>?

gets = {p} has {A} and gets {b} more. How many {things} does {p} have (now|in all)?
gets_answer = {p} has {C} now.
given = {p} has {A}. {q} gives {p} {b} more. How many {things} does {p} have now?
given_answer = {p} has {C} now.
finds = {p} had {A}. Then {p} found {B}. How many {things} does {p} have now?
finds_answer = {p} has {C} now.
both = {p} has {A} and {q} has {B}. How many {things} do they have (together|in all)?
both_answer = They have {C} together.
days = {p} buys {A} on (Monday|Tuesday) and {B} on (Friday|Sunday). How many {things} does {p} buy in all?
days_answer = {p} buys {C} in all.

gives = {p} has {A} and gives {b} (of them |)to {q}. How many {things} does {p} have (left|now)?
gives_answer = {p} has {C} left.
loses = {p} had {A} (but|and) lost {b}(| of them). How many {things} does {p} have left?
loses_answer = {p} has {C} left.
sells = {p} has {A}. {p} sells {b}. How many {things} are left?
sells_answer = {p} has {C} left.
more = {p} has {A} and {q} has {B}. How many more {things} does {p} have than {q}?
more_answer = {p} has {c} more.
)";

constexpr std::string_view kAddStories[] = {"gets", "given", "finds", "both", "days"};
constexpr std::string_view kSubtractStories[] = {"gives", "loses", "sells", "more"};

const Grammar& questions() {
  static const Grammar grammar(kQuestions);
  return grammar;
}

std::string expression(const Sum& sum) { return fmt::format("{} {} {}", sum.a, sum.subtract ? '-' : '+', sum.b); }

// The steps and their conclusion. Two single digits need no steps.
std::string add_steps(const Sum& sum) {
  int a = sum.a, b = sum.b, ones = a % 10 + b % 10;
  if (a < 10 && b < 10) return fmt::format("{} = {}.", expression(sum), a + b);
  std::string steps = fmt::format("{}. Ones: {} + {} = {}", expression(sum), a % 10, b % 10, ones);
  if (ones >= 10)
    steps += fmt::format(", carry 1. Tens: {} + {} + 1 = {}.", a / 10, b / 10, a / 10 + b / 10 + 1);
  else
    steps += fmt::format(". Tens: {} + {} = {}.", a / 10, b / 10, a / 10 + b / 10);
  return steps + fmt::format(" So {} = {}.", expression(sum), a + b);
}

// REQUIRES: a >= b.
std::string subtract_steps(const Sum& sum) {
  int a = sum.a, b = sum.b;
  if (a < 10) return fmt::format("{} = {}.", expression(sum), a - b);
  std::string steps = fmt::format("{}. Ones: {} - {}", expression(sum), a % 10, b % 10);
  if (a % 10 < b % 10)
    steps += fmt::format(", borrow 1: {} - {} = {}. Tens: {} - {} - 1 = {}.", a % 10 + 10, b % 10, a % 10 + 10 - b % 10,
                         a / 10, b / 10, a / 10 - b / 10 - 1);
  else
    steps += fmt::format(" = {}. Tens: {} - {} = {}.", a % 10 - b % 10, a / 10, b / 10, a / 10 - b / 10);
  return steps + fmt::format(" So {} = {}.", expression(sum), a - b);
}

std::string with_reasoning(const Sum& sum, std::string answer) {
  return fmt::format("<think>{}</think>{}", reasoning(sum), answer);
}

std::string plain_answer(const Sum& sum, bool brief) {
  return with_reasoning(
      sum, brief ? fmt::format("{}", sum.result()) : fmt::format("{} = {}.", expression(sum), sum.result()));
}

}  // namespace

std::string key(const Sum& sum) { return fmt::format("sum {} {}", std::min(sum.a, sum.b), std::max(sum.a, sum.b)); }

Sum draw_sum(Draw& draw, Split split) {
  for (;;) {
    int lengths = draw.between(0, 99);
    bool small_a = lengths < 33, small_b = lengths < 20 || (lengths >= 33 && lengths < 45);
    Sum sum{.a = small_a ? draw.between(0, 9) : draw.between(10, 99),
            .b = small_b ? draw.between(0, 9) : draw.between(10, 99),
            .subtract = draw.percent(50)};
    // Negative results are asked for, but less often than chance would: a fifth of the subtractions.
    if (sum.subtract && sum.a < sum.b && !draw.percent(25)) std::swap(sum.a, sum.b);
    if (belongs(key(sum), split)) return sum;
  }
}

std::string reasoning(const Sum& sum) {
  if (!sum.subtract) return add_steps(sum);
  if (sum.a >= sum.b) return subtract_steps(sum);
  Sum swapped{.a = sum.b, .b = sum.a, .subtract = true};
  return fmt::format("{}. {} is less than {}, so swap: {} And so {} = {}.", expression(sum), sum.a, sum.b,
                     subtract_steps(swapped), expression(sum), sum.result());
}

std::optional<std::string> wrong_step(std::string_view reasoning) {
  // Tokens of equations: numbers and + - =. Anything else ends one.
  struct Token {
    char sign;  // 'n' for a number
    int value;
  };
  std::vector<Token> tokens;
  std::optional<std::string> wrong;
  auto finish = [&] {
    auto equals = std::ranges::find(tokens, '=', &Token::sign);
    if (equals != tokens.end() && !wrong) {
      auto value = [](auto from, auto to) -> std::optional<int> {
        int total = 0, factor = 1;
        bool number_next = true;
        for (; from != to; ++from) {
          if (from->sign == 'n' && number_next)
            total += factor * from->value, number_next = false;
          else if (from->sign == '-' || from->sign == '+')
            factor = from->sign == '-' ? -1 : 1, number_next = true;
          else
            return std::nullopt;
        }
        if (number_next) return std::nullopt;
        return total;
      };
      auto left = value(tokens.begin(), equals), right = value(equals + 1, tokens.end());
      if (!left || !right || *left != *right) {
        std::string step;
        for (const Token& t : tokens)
          step += (step.empty() ? "" : " ") + (t.sign == 'n' ? fmt::format("{}", t.value) : std::string(1, t.sign));
        wrong = step;
      }
    }
    tokens.clear();
  };
  for (size_t at = 0; at < reasoning.size();) {
    char c = reasoning[at];
    if (std::isdigit(static_cast<unsigned char>(c))) {
      int value = 0;
      auto [end, error] = std::from_chars(reasoning.data() + at, reasoning.data() + reasoning.size(), value);
      if (error != std::errc()) return fmt::format("a number at byte {} that no sum here has", at);
      at = static_cast<size_t>(end - reasoning.data());
      tokens.push_back({'n', value});
      continue;
    }
    if (c == '+' || c == '-' || c == '=')
      tokens.push_back({c, 0});
    else if (c != ' ')
      finish();
    ++at;
  }
  finish();
  return wrong;
}

SumTurn ask(const Sum& sum, Draw& draw, bool brief) {
  bool negative = sum.result() < 0;
  Bindings words{
      {"a", fmt::format("{}", sum.a)}, {"b", fmt::format("{}", sum.b)}, {"c", fmt::format("{}", sum.result())}};
  if (sum.a == 0 || sum.b == 0 || negative || !draw.percent(35))
    return {questions().say(sum.subtract ? "subtract" : "add", draw, words), plain_answer(sum, brief)};

  const Noun& noun = draw.pick(draw.percent(50) ? world::things : world::foods);
  auto person = [&] { return draw.percent(10) ? invented_name(draw) : std::string(draw.pick(world::people)); };
  std::string p = person(), q = person();
  while (q == p) q = person();
  words.set("p", p), words.set("q", q), words.set("things", std::string(noun.many));
  words.set("A", counted(sum.a, noun)), words.set("B", counted(sum.b, noun)),
      words.set("C", counted(sum.result(), noun));
  std::string story(draw.pick(std::span<const std::string_view>(
      sum.subtract ? std::span(kSubtractStories) : std::span<const std::string_view>(kAddStories))));
  std::string question = questions().say(story, draw, words);
  return {question,
          brief ? plain_answer(sum, true) : with_reasoning(sum, questions().say(story + "_answer", draw, words))};
}

SumTurn ask_next(const Sum& sum, Draw& draw, bool brief) {
  Bindings words{{"a", fmt::format("{}", sum.a)}, {"b", fmt::format("{}", sum.b)}};
  return {questions().say(sum.subtract ? "next_subtract" : "next_add", draw, words), plain_answer(sum, brief)};
}

std::string_view without_reasoning(std::string_view answer) {
  constexpr std::string_view close = "</think>";
  if (size_t at = answer.rfind(close); at != std::string_view::npos) return answer.substr(at + close.size());
  return answer.find("<think>") == std::string_view::npos ? answer : std::string_view();
}

std::optional<int> final_number(std::string_view answer) {
  answer = without_reasoning(answer);
  auto digit = [&](size_t i) { return std::isdigit(static_cast<unsigned char>(answer[i])) != 0; };
  size_t end = answer.size();
  while (end > 0 && !digit(end - 1)) --end;
  size_t begin = end;
  while (begin > 0 && digit(begin - 1)) --begin;
  int value = 0;
  if (begin == end || std::from_chars(answer.data() + begin, answer.data() + end, value).ec != std::errc())
    return std::nullopt;
  // In "42-17" the sign is an operator, in "is -25" it belongs to the number.
  bool minus =
      begin > 0 && answer[begin - 1] == '-' && (begin == 1 || answer[begin - 2] == ' ' || answer[begin - 2] == '(');
  return minus ? -value : value;
}

}  // namespace glassbox::prism
