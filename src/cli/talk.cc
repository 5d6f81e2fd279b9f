#include "cli/talk.h"

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <span>
#include <tuple>

#include "base/error.h"
#include "cli/columns.h"
#include "cli/figures.h"
#include "cli/line_editor.h"
#include "cli/message_reader.h"
#include "cli/nearest.h"
#include "cli/printer.h"
#include "cli/reading_progress.h"
#include "cli/streams.h"
#include "cli/terminal.h"
#include "formats/file_set.h"

namespace glassbox {
namespace {

std::filesystem::path home_folder() {
  if (const char* set = std::getenv("GLASSBOX_HOME")) return set;
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home ? home : "/tmp") / ".local/share/glassbox";
}

// A line of ours, beside what the model says.
template <class... Arguments>
void note(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  WordWrap wrap(is_smart_terminal(STDERR_FILENO) ? terminal_size(STDERR_FILENO).columns : 0);
  fmt::print(stderr, "{}\n", wrap.push(fmt::format(format, std::forward<Arguments>(arguments)...)));
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\n"), end = text.find_last_not_of(" \t\n");
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin, end - begin + 1);
}

// The first word, and what follows it.
std::pair<std::string_view, std::string_view> first_word(std::string_view text) {
  const size_t end = text.find_first_of(" \t\n");
  if (end == std::string_view::npos) return {text, {}};
  return {text.substr(0, end), trimmed(text.substr(end))};
}

std::filesystem::path file_named(std::string_view name) {
  const char* home = std::getenv("HOME");
  if (home && name.starts_with("~/")) return std::filesystem::path(home) / name.substr(2);
  return name;
}

// Between a prompt and an answer Ctrl-C does nothing: the conversation would be lost.
class KeepConversation {
 public:
  KeepConversation() {
    struct sigaction action{};
    action.sa_handler = [](int) {};
    action.sa_flags = SA_RESTART;
    sigaction(SIGINT, &action, &before_);
  }
  ~KeepConversation() { sigaction(SIGINT, &before_, nullptr); }
  KeepConversation(const KeepConversation&) = delete;
  KeepConversation& operator=(const KeepConversation&) = delete;

 private:
  struct sigaction before_{};
};

class Talk {
 public:
  explicit Talk(Conversation& conversation)
      : conversation_(conversation), editor_(History(home_folder() / "run.history")) {}

  int run() {
    const KeepConversation keeping;
    welcome();
    MessageReader message;
    for (bool interrupted = false; !over_;) {
      const Line line = editor_.read(message.begun() ? "… " : "> ");
      if (line.kind == Line::end) break;
      if (line.kind == Line::interrupted) {
        if (interrupted && line.typed.empty() && !message.begun()) break;
        interrupted = true;
        message.clear();
        note("(Ctrl-C again, Ctrl-D or /bye leaves)");
        continue;
      }
      interrupted = false;
      if (!message.push(line.typed)) continue;
      take(message.text(), message.quoted());
      message.clear();
    }
    return 0;
  }

 private:
  struct Command {
    std::string_view name, arguments, what;
    void (Talk::*run)(std::string_view arguments);
  };
  static std::span<const Command> commands();

  void welcome() const {
    note("{} is listening. /help lists what else you can type.", conversation_.model().name);
    if (!conversation_.chats())
      note("{}: it continues the text you type.", conversation_.model().chat_template
                                                      ? "--raw leaves out the chat template"
                                                      : "This model has no chat template");
  }

  // A message or a command. What has another / in its first word is a path, and so a message.
  void take(const std::string& text, bool quoted) {
    if (trimmed(text).empty()) return;
    editor_.remember(text);
    const auto [name, arguments] = first_word(text);
    try {
      if (quoted || !name.starts_with('/') || name.find('/', 1) != std::string_view::npos)
        return answer([&](const Told& told) -> std::optional<Answer> { return conversation_.answer(text, told); });
      for (const Command& command : commands())
        if (command.name == name) return (this->*command.run)(arguments);
      std::vector<std::string_view> names;
      for (const Command& command : commands()) names.push_back(command.name);
      const auto like = nearest(name, names);
      note("{}: no such command{}; /help lists them (a message that begins with / goes between \"\"\")", name,
           like ? fmt::format(", did you mean {}?", *like) : "");
    } catch (const Error& error) {
      note("{}", error.what());
      if (error.kind() == ErrorKind::full) note("/clear begins anew.");
    }
  }

  template <class Ask>
  void answer(const Ask& ask) {
    Printer printer(look_of(STDOUT_FILENO));
    ReadingProgress progress;
    std::optional<Answer> answer;
    try {
      answer = ask(Told{[&](const AnswerParser::Delta& delta) {
                          progress.clear();
                          if (is_smart_terminal(STDOUT_FILENO)) printer.resize(terminal_size(STDOUT_FILENO).columns);
                          put(printer.show(delta));
                        },
                        [&](int64_t read, int64_t tokens) { progress.show(read, tokens); }});
    } catch (...) {
      progress.clear();
      throw;
    }
    progress.clear();
    if (!answer) return note("there is no answer yet");
    put(printer.finish());
    if (!isatty(STDERR_FILENO)) return;
    const Finished& f = answer->finished;
    std::string told = fmt::format("{} tokens", f.completion_tokens);
    if (f.completion_tokens > 1 && f.decode_s > 0)
      told += fmt::format(", {:.1f} tok/s", static_cast<double>(f.completion_tokens - 1) / f.decode_s);
    if (f.reason == FinishReason::cancelled) told += ", stopped";
    if (f.reason == FinishReason::length) told += ", at the limit of length";
    const int64_t used = f.prompt_tokens + f.completion_tokens, room = conversation_.engine().context();
    if (conversation_.chats() && used * 5 >= room * 4)
      told += fmt::format(", the context is {} % full", used * 100 / room);
    note("{}", shows_styles(STDERR_FILENO) ? "\033[2m" + told + "\033[0m" : told);
  }

  void help(std::string_view) {
    for (const Command& command : commands())
      if (!command.what.empty())
        note("  {:<24} {}", fmt::format("{} {}", command.name, command.arguments), command.what);
    note("  {:<24} {}", "\"\"\"",
         "a message of several lines, until \"\"\" (or end a line with \\, or press Alt-Enter)");
    note("  {:<24} {}", "Ctrl-C", "stop the answer; twice at the prompt: leave");
    note("  {:<24} {}", "Up, Down, Ctrl-R", "what you said before");
  }

  void set(std::string_view arguments) {
    if (arguments.empty()) return note("{}", without_line_end(conversation_.settings().show(conversation_.defaults())));
    auto [name, value] = first_word(arguments);
    if (name == "parameter") std::tie(name, value) = first_word(value);
    if (value.empty()) {
      const std::string all = "\n" + conversation_.settings().show(conversation_.defaults());
      const size_t at = all.find(fmt::format("\n  {} ", name));
      if (at == std::string::npos) fail(ErrorKind::bad_request, "/set {}: expected a setting and a value", name);
      return note("{}", all.substr(at + 1, all.find('\n', at + 1) - at - 1));
    }
    conversation_.settings().set(name, value);
    note("{} is {}", name, value == "default" ? "no longer set" : fmt::format("now {}", value));
  }

  void show(std::string_view what) {
    if (what == "settings" || what == "parameters") return set("");
    if (what == "system")
      return conversation_.settings().system.empty() ? note("(no system prompt)")
                                                     : exactly(conversation_.settings().system);
    if (what == "messages") {
      for (const OrderedJson& message : conversation_.messages())
        exactly(fmt::format("{}: {}", message["role"].get<std::string>(), message["content"].get<std::string>()));
      if (conversation_.messages().empty()) note("(nothing was said yet)");
      return;
    }
    if (what == "prompt" || what == "ids") {
      if (conversation_.ids().empty()) return note("(the model has read nothing yet)");
      if (what == "ids") return exactly(fmt::format("[{}]", fmt::join(conversation_.ids(), ", ")));
      return exactly(conversation_.prompt());
    }
    if (!what.empty() && what != "model")
      fail(ErrorKind::bad_request, "/show {}: expected model, settings, system, messages, prompt or ids", what);
    note("model {}, context {} tokens, {} in the last prompt, {} messages", conversation_.model().name,
         with_commas(conversation_.engine().context()), with_commas(static_cast<int64_t>(conversation_.ids().size())),
         conversation_.messages().size());
    if (what.empty()) set("");
  }

  void save(std::string_view file) {
    if (file.empty()) fail(ErrorKind::bad_request, "/save: expected the name of a file");
    if (conversation_.messages().empty()) fail(ErrorKind::bad_request, "/save: nothing was said yet");
    conversation_.save(file_named(file));
    note("{} messages are in {}; /load {} goes on with them", conversation_.messages().size(), file, file);
  }

  void load(std::string_view file) {
    if (file.empty()) fail(ErrorKind::bad_request, "/load: expected the name of a file");
    const std::string with = conversation_.load(file_named(file));
    note("{} messages of {}{}", conversation_.messages().size(), file,
         with.empty() || with == conversation_.model().name ? "" : fmt::format(", had with {}", with));
    if (!conversation_.messages().empty()) {
      const OrderedJson& last = conversation_.messages().back();
      note("{}: {}", last["role"].get<std::string>(), shown(last["content"].get<std::string>()));
    }
  }

  void retry(std::string_view) {
    if (conversation_.settings().sampling.seed)
      note("(the seed is set: the answer will be the same; /set seed default draws another)");
    answer([&](const Told& told) { return conversation_.retry(told); });
  }

  void model(std::string_view reference) {
    if (reference.empty())
      return note("{}; /model NAME takes another: {}, a folder as published, or a .gguf file",
                  conversation_.model().name, fmt::join(FileSet::shipped(), ", "));
    conversation_.change_model(file_named(reference).string());
    welcome();
  }

  void clear(std::string_view) {
    conversation_.clear();
    note("(forgotten; settings stay)");
  }

  void leave(std::string_view) { over_ = true; }

  // What was said or read, with its own lines.
  static void exactly(std::string_view text) { fmt::print(stderr, "{}\n", shown(text)); }

  // For the screen: a conversation may come from a stranger's file.
  static std::string shown(std::string_view text) {
    return isatty(STDERR_FILENO) ? without_controls(text) : std::string(text);
  }
  static std::string without_line_end(std::string text) {
    if (text.ends_with('\n')) text.pop_back();
    return text;
  }

  Conversation& conversation_;
  LineEditor editor_;
  bool over_ = false;
};

std::span<const Talk::Command> Talk::commands() {
  static constexpr Command kAll[] = {
      {"/set", "NAME VALUE", "temperature, top_p, system, max_tokens, ...; alone: what is set, and by whom",
       &Talk::set},
      {"/show", "[WHAT]", "model, settings, system, messages, prompt or ids (what the model last read)", &Talk::show},
      {"/retry", "", "the last answer once more", &Talk::retry},
      {"/clear", "", "forget the conversation and begin anew", &Talk::clear},
      {"/save", "FILE", "keep the conversation", &Talk::save},
      {"/load", "FILE", "go on with one that was kept", &Talk::load},
      {"/model", "NAME", "go on with another model", &Talk::model},
      {"/help", "", "this list", &Talk::help},
      {"/?", "", "", &Talk::help},
      {"/bye", "", "leave (Ctrl-D does, too)", &Talk::leave},
      {"/exit", "", "", &Talk::leave},
      {"/quit", "", "", &Talk::leave}};
  return kAll;
}

}  // namespace

int talk(Conversation& conversation) { return Talk(conversation).run(); }

}  // namespace glassbox
