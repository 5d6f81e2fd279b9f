#include "cli/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include <utility>

namespace glassbox {
namespace {

// Says what was expected, and what came.
CLI::Validator positive_number() {
  CLI::Validator positive("POSITIVE");
  return positive.operation([](std::string& value) -> std::string {
    int64_t number = 0;
    if (!CLI::detail::lexical_cast(value, number)) return "";  // told as what it is
    return number > 0 ? "" : fmt::format("expected a positive number, got {}", value);
  });
}

Misuse::Kind kind_of_misuse(const CLI::ParseError& error) {
  if (dynamic_cast<const CLI::ConversionError*>(&error)) return Misuse::Kind::bad_value;
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error)) return Misuse::Kind::bad_count;
  if (dynamic_cast<const CLI::RequiredError*>(&error)) return Misuse::Kind::missing;
  return Misuse::Kind::other;
}

Misuse misuse_of(CLI::App& app, const CLI::ParseError& error) {
  Misuse misuse(kind_of_misuse(error), error.what());
  misuse.beyond = app.remaining();
  const auto chosen = app.get_subcommands();
  if (chosen.empty() || !misuse.beyond.empty()) return misuse;
  misuse.command.emplace(*chosen.front());
  misuse.beyond = chosen.front()->remaining();
  return misuse;
}

}  // namespace

Option Option::required() const { return Option(*option_->required()); }

Option Option::shows_default() const { return Option(*option_->capture_default_str()); }

Option Option::positive() const { return Option(*option_->check(positive_number())); }

Option Option::not_negative() const { return Option(*option_->check(CLI::NonNegativeNumber)); }

Option Option::between(int least, int most) const { return Option(*option_->check(CLI::Range(least, most))); }

Option Option::one_of(std::vector<std::string> words) const {
  return Option(*option_->check(CLI::IsMember(std::move(words))));
}

Option Option::separated_by(char mark) const { return Option(*option_->delimiter(mark)); }

Option Option::needs(Option other) const { return Option(*option_->needs(other.option_)); }

Option Option::excludes(Option other) const { return Option(*option_->excludes(other.option_)); }

Option Command::option(const std::string& name, OptionValue value, const std::string& what) const {
  return std::visit([&](auto* set) { return Option(*app_->add_option(name, *set, what)); }, value);
}

Option Command::flag(const std::string& name, bool* value, const std::string& what) const {
  return Option(*app_->add_flag(name, *value, what));
}

Option Command::repeated(const std::string& name, std::vector<std::string>* values, const std::string& what) const {
  return Option(*app_->add_option(name, *values, what)->allow_extra_args(false)->take_all());
}

Command Command::add(const std::string& name, const std::string& what, const std::string& example,
                     std::function<void()> chosen) const {
  CLI::App* command = app_->add_subcommand(name, what);
  command->footer((example.find('\n') == std::string::npos ? "Example:\n  " : "Examples:\n  ") + example);
  command->callback(std::move(chosen));
  return Command(*command);
}

Command Command::group(const std::string& name, const std::string& what) const {
  const auto known = app_->get_subcommands([&](const CLI::App* one) { return one->get_name() == name; });
  return Command(known.empty() ? *app_->add_subcommand(name, what)->require_subcommand(1) : *known.front());
}

std::string Command::name() const { return app_->get_name(); }

std::vector<Command> Command::commands() const {
  std::vector<Command> all;
  for (CLI::App* command : app_->get_subcommands([](const CLI::App*) { return true; })) all.emplace_back(*command);
  return all;
}

std::vector<std::string> Command::option_names() const {
  std::vector<std::string> names;
  for (const CLI::Option* option : std::as_const(*app_).get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

std::string Command::type_of(const std::string& option) const {
  const CLI::Option* found = app_->get_option_no_throw(option);
  return found ? found->get_type_name() : "";
}

Program::Program(const std::string& what, const std::string& version, const std::string& footer)
    : app_(std::make_unique<CLI::App>(what)) {
  app_->set_version_flag("--version", version);
  app_->require_subcommand(0, 1);
  app_->footer(footer);
}

Program::~Program() = default;

Command Program::root() { return Command(*app_); }

std::string Program::help() const { return app_->help(); }

std::optional<int> Program::parse(int argc, const char* const* argv) {
  try {
    app_->parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::Success& asked) { return app_->exit(asked); } catch (const CLI::ParseError& error) {
    throw misuse_of(*app_, error);
  }
}

}  // namespace glassbox
