#include "cli/usage.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/quote.h"
#include "cli/nearest.h"

namespace glassbox {
namespace {

std::optional<std::string> nearest_of(std::string_view word, const std::vector<std::string>& names) {
  return nearest(word, {names.begin(), names.end()});
}

// What other programs call the same.
constexpr std::pair<std::string_view, std::string_view> kNamesElsewhere[] = {
    {"chat", "run"},       {"ask", "run"},     {"talk", "run"},        {"generate", "run"},    {"complete", "run"},
    {"server", "serve"},   {"start", "serve"}, {"show", "inspect"},    {"info", "inspect"},    {"describe", "inspect"},
    {"finetune", "train"}, {"tune", "train"},  {"perplexity", "eval"}, {"encode", "tokenize"}, {"decode", "detokenize"},
    {"download", "pull"},  {"fetch", "pull"},  {"get", "pull"},        {"upload", "push"},     {"publish", "push"},
    {"ls", "list"},        {"models", "list"}, {"find", "search"},     {"remove", "rm"},       {"delete", "rm"}};

std::string unknown_command(const Command& program, const std::string& word) {
  std::vector<std::string> names;
  for (const Command& command : program.commands()) names.push_back(command.name());
  auto like = nearest_of(word, names);
  for (const auto& [elsewhere, here] : kNamesElsewhere)
    if (word == elsewhere) like = here;
  return fmt::format("{}: no such command{}; there are {}", word, like ? fmt::format(", did you mean {}?", *like) : "",
                     fmt::join(names, ", "));
}

std::string unknown_option(const Command& program, const std::optional<Command>& command, const std::string& word) {
  const std::string name = word.substr(0, word.find('='));
  // What has a space in it was meant as text.
  if (command && word.find_first_of(" \n") != std::string::npos)
    return fmt::format("{} begins with a dash: put -- before a text that does", quote(word));
  const auto like = nearest_of(name, command.value_or(program).option_names());
  if (like == name) return fmt::format("{}: behind -- all is text: expected options before it", name);
  std::string problem = fmt::format("{}: no such option{}", name, like ? fmt::format(", did you mean {}?", *like) : "");
  if (!command)
    for (const Command& other : program.commands())
      if (std::ranges::count(other.option_names(), name) > 0)
        return fmt::format("{}: options come after their command: glassbox {} {} ...", name, other.name(), name);
  if (command && !like) problem += " (put -- before a text that begins with a dash)";
  return problem;
}

const char* wanted(const std::string& type) {
  if (type.starts_with("INT")) return "a whole number";
  if (type.starts_with("UINT")) return "a whole number from 0";
  return "a number";
}

// CLI11 says "NAME = VALUE" behind a colon.
std::string not_converted(const Command& command, const std::string& what) {
  const size_t begin = what.find(": "), equals = what.find(" = ");
  if (begin == std::string::npos || equals == std::string::npos) return what;
  const std::string name = what.substr(begin + 2, equals - begin - 2);
  return fmt::format("{}: expected {}, got {}", name, wanted(command.type_of(name)), what.substr(equals + 3));
}

}  // namespace

std::string explain(const Command& program, const Misuse& misuse) {
  const std::optional<Command>& command = misuse.command;
  const std::string name = command ? "glassbox " + command->name() : "glassbox";
  const std::string what = misuse.what();
  std::string problem = what;
  auto beyond = misuse.beyond;
  std::erase(beyond, "--");
  if (!beyond.empty()) {
    const std::string& first = beyond.front();
    if (first.size() > 1 && first.starts_with('-'))
      problem = unknown_option(program, command, first);
    else if (command)
      problem = fmt::format("{} is one argument too many (a text of several words goes in quotes)", quote(first));
    else
      problem = unknown_command(program, first);
  } else if (misuse.kind == Misuse::Kind::bad_value) {
    problem = not_converted(command.value_or(program), what);
  } else if (misuse.kind == Misuse::Kind::bad_count) {
    problem =
        fmt::format("{}: {}", what.substr(0, what.find_first_of(": ")),
                    what.find("At Most") == std::string::npos ? "expected a value" : "expected once, got it twice");
  } else if (misuse.kind == Misuse::Kind::missing) {
    problem = fmt::format("expected {}", what.substr(0, what.find(' ')));
    if (what.starts_with("MODEL"))
      problem += ": glassbox/prism, a folder as published, a .gguf file, or OWNER/NAME of a hub";
  }
  return fmt::format("{}: {}; {} --help shows how\n", name, problem, name);
}

}  // namespace glassbox
