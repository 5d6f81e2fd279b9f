// The command line: a program, its commands, their options, and what a person got wrong. options.cc reads it with
// CLI11, whose header takes seconds to compile: no command includes it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace glassbox {

// What an option sets where it is given. It outlives the parsing.
using OptionValue = std::variant<std::string*, std::filesystem::path*, int*, int64_t*, uint16_t*, uint64_t*,
                                 std::optional<std::filesystem::path>*, std::optional<int>*, std::optional<int64_t>*,
                                 std::optional<uint64_t>*, std::optional<float>*, std::vector<std::string>*>;

// An option of a command. Copies are the same option, whose words follow each other.
class Option {
 public:
  explicit Option(CLI::Option& option) : option_(&option) {}

  Option required() const;
  // In --help: what the value is now.
  Option shows_default() const;
  // Of numbers: what else is refused, saying what was expected and what came.
  Option positive() const;
  Option not_negative() const;
  Option between(int least, int most) const;
  Option one_of(std::vector<std::string> words) const;
  // Several values in one word, with the mark between them.
  Option separated_by(char mark) const;
  // Refused where the other is not given, or where it is.
  Option needs(Option other) const;
  Option excludes(Option other) const;

 private:
  CLI::Option* option_;
};

// A command of the program, or the program itself. Copies are the same command.
class Command {
 public:
  explicit Command(CLI::App& app) : app_(&app) {}

  // Named "--name"; or "NAME", for what has its place on the line: in the order they are added.
  Option option(const std::string& name, OptionValue value, const std::string& what) const;
  Option flag(const std::string& name, bool* value, const std::string& what) const;
  // May be given several times, one value each time: what follows the value is not its.
  Option repeated(const std::string& name, std::vector<std::string>* values, const std::string& what) const;

  // Below this one. `example`: the end of its --help. `chosen` is called while the line is read.
  Command add(const std::string& name, const std::string& what, const std::string& example,
              std::function<void()> chosen) const;
  // Below this one, for commands of which a line names one; made where there is none of this name.
  Command group(const std::string& name, const std::string& what) const;

  std::string name() const;
  std::vector<Command> commands() const;
  // The long ones: "--name".
  std::vector<std::string> option_names() const;
  // What its --help says of the values: "INT", "UINT:POSITIVE". Empty where no option is called so.
  std::string type_of(const std::string& option) const;

 private:
  CLI::App* app_;
};

// What was wrong with a command line: what() is CLI11's word for it.
struct Misuse : std::runtime_error {
  enum class Kind { bad_value, bad_count, missing, other };

  Misuse(Kind kind, const std::string& what) : std::runtime_error(what), kind(kind) {}

  Kind kind;
  // The command it is about: absent where something before it was wrong, or no word names one.
  std::optional<Command> command;
  // Words that nothing took, of the command; or before it.
  std::vector<std::string> beyond;
};

class Program {
 public:
  // `version`: what --version prints. `footer`: the end of its --help.
  Program(const std::string& what, const std::string& version, const std::string& footer);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  Command root();  // whose commands are the program's
  std::string help() const;
  // Nothing: a command was chosen, or none was named. Else help or the version was asked for and is printed: the exit
  // status. Throws Misuse.
  std::optional<int> parse(int argc, const char* const* argv);

 private:
  std::unique_ptr<CLI::App> app_;
};

}  // namespace glassbox
