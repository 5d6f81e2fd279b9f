#include "cli/usage.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/quote.h"
#include "cli/nearest.h"

namespace glassbox {
namespace {

// Long names of a command's options, with their dashes.
std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

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

std::string unknown_command(const CLI::App& app, const std::string& word) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  auto like = nearest_of(word, names);
  for (const auto& [elsewhere, here] : kNamesElsewhere)
    if (word == elsewhere) like = here;
  return fmt::format("{}: no such command{}; there are {}", word, like ? fmt::format(", did you mean {}?", *like) : "",
                     fmt::join(names, ", "));
}

std::string unknown_option(const CLI::App& app, const CLI::App* command, const std::string& word) {
  const std::string name = word.substr(0, word.find('='));
  // What has a space in it was meant as text.
  if (command && word.find_first_of(" \n") != std::string::npos)
    return fmt::format("{} begins with a dash: put -- before a text that does", quote(word));
  const auto like = nearest_of(name, option_names(command ? *command : app));
  if (like == name) return fmt::format("{}: behind -- all is text: expected options before it", name);
  std::string problem = fmt::format("{}: no such option{}", name, like ? fmt::format(", did you mean {}?", *like) : "");
  if (!command)
    for (const CLI::App* other : app.get_subcommands({}))
      if (std::ranges::count(option_names(*other), name) > 0)
        return fmt::format("{}: options come after their command: glassbox {} {} ...", name, other->get_name(), name);
  if (command && !like) problem += " (put -- before a text that begins with a dash)";
  return problem;
}

const char* wanted(const CLI::Option* option) {
  const std::string type = option ? option->get_type_name() : "";
  if (type.starts_with("INT")) return "a whole number";
  if (type.starts_with("UINT")) return "a whole number from 0";
  return "a number";
}

// CLI11 says "NAME = VALUE" behind a colon.
std::string not_converted(const CLI::App& command, const std::string& what) {
  const size_t begin = what.find(": "), equals = what.find(" = ");
  if (begin == std::string::npos || equals == std::string::npos) return what;
  const std::string name = what.substr(begin + 2, equals - begin - 2);
  return fmt::format("{}: expected {}, got {}", name, wanted(command.get_option_no_throw(name)),
                     what.substr(equals + 3));
}

}  // namespace

std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  const auto chosen = app.get_subcommands();
  auto beyond = app.remaining();  // before the command
  const CLI::App* command = chosen.empty() || !beyond.empty() ? nullptr : chosen.front();
  const std::string name = command ? "glassbox " + command->get_name() : "glassbox";
  const std::string what = error.what();
  std::string problem = what;
  if (command) beyond = command->remaining();
  std::erase(beyond, "--");
  if (!beyond.empty()) {
    const std::string& first = beyond.front();
    if (first.size() > 1 && first.starts_with('-'))
      problem = unknown_option(app, command, first);
    else if (command)
      problem = fmt::format("{} is one argument too many (a text of several words goes in quotes)", quote(first));
    else
      problem = unknown_command(app, first);
  } else if (dynamic_cast<const CLI::ConversionError*>(&error)) {
    problem = not_converted(command ? *command : app, what);
  } else if (dynamic_cast<const CLI::ArgumentMismatch*>(&error)) {
    problem =
        fmt::format("{}: {}", what.substr(0, what.find_first_of(": ")),
                    what.find("At Most") == std::string::npos ? "expected a value" : "expected once, got it twice");
  } else if (dynamic_cast<const CLI::RequiredError*>(&error)) {
    problem = fmt::format("expected {}", what.substr(0, what.find(' ')));
    if (what.starts_with("MODEL"))
      problem += ": glassbox/prism, a folder as published, a .gguf file, or OWNER/NAME of a hub";
  }
  return fmt::format("{}: {}; {} --help shows how\n", name, problem, name);
}

}  // namespace glassbox
