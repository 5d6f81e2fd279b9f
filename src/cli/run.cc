// glassbox run: talk with a model in the terminal, or get one answer for a program.
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>

#include "base/error.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/conversation.h"
#include "cli/model_options.h"
#include "cli/printer.h"
#include "cli/reading_progress.h"
#include "cli/streams.h"
#include "cli/talk.h"
#include "cli/terminal.h"

namespace glassbox {
namespace {

using Clock = std::chrono::steady_clock;

struct RunOptions {
  ModelOptions model;
  AskedSampling sampling;
  std::string prompt, system;
  std::vector<std::string> stop;
  std::optional<int64_t> max_tokens;
  int64_t context = 0;
  bool json = false, raw = false;
};

const char* name_of(FinishReason reason) {
  switch (reason) {
    case FinishReason::stop:
      return "stop";
    case FinishReason::length:
      return "length";
    case FinishReason::cancelled:
      return "cancelled";
  }
  return "";
}

double per_second(int64_t count, double seconds) { return seconds > 0 ? static_cast<double>(count) / seconds : 0; }

// What another program or a file says on standard input; nothing where a person sits there, or nobody.
std::string piped_text(bool has_prompt) {
  if (isatty(STDIN_FILENO)) return "";
  pollfd input{STDIN_FILENO, POLLIN, 0};
  constexpr int kPatience = 2000;  // ms
  if (has_prompt && poll(&input, 1, kPatience) == 0)
    fmt::print(stderr, "reading standard input, too, until it ends (< /dev/null leaves it out)\n");
  return read_standard_input();
}

// A text and what is asked about it: `cat file | glassbox run MODEL "Summarize"`.
std::string joined(std::string text, const std::string& prompt) {
  if (prompt.empty()) return text;
  text.erase(text.find_last_not_of(" \t\r\n") + 1);
  return text.empty() ? prompt : text + "\n\n" + prompt;
}

int answer_as_json(Conversation& conversation, const std::string& prompt, double load_s) {
  const Answer answer = conversation.answer(prompt, {[](const AnswerParser::Delta&) {}});
  const Finished& f = answer.finished;
  const OrderedJson out = {{"model", conversation.model().name},
                           {"text", answer.text},
                           {"reasoning", answer.reasoning},
                           {"finish_reason", name_of(f.reason)},
                           {"usage", {{"prompt_tokens", f.prompt_tokens}, {"completion_tokens", f.completion_tokens}}},
                           {"seed", f.seed},
                           {"timings",
                            {{"load_s", load_s},
                             {"prefill_tokens_per_s", per_second(f.prompt_tokens - f.cached_tokens, f.prefill_s)},
                             {"decode_tokens_per_s", per_second(f.completion_tokens - 1, f.decode_s)}}}};
  fmt::print("{}\n", dump_ordered_json(out));
  return 0;
}

int answer_once(Conversation& conversation, const std::string& prompt) {
  Printer printer(look_of(STDOUT_FILENO));
  ReadingProgress progress;
  const auto put = [&](const std::string& text) {
    progress.clear();
    glassbox::put(text);
  };
  const Answer answer =
      conversation.answer(prompt, {[&](const AnswerParser::Delta& delta) { put(printer.show(delta)); },
                                   [&](int64_t read, int64_t tokens) { progress.show(read, tokens); }});
  put(printer.finish());
  return answer.finished.reason == FinishReason::cancelled ? 130 : 0;
}

int run(const RunOptions& options) {
  const std::string prompt = joined(piped_text(!options.prompt.empty()), options.prompt);
  if (prompt.empty() && !isatty(STDIN_FILENO))
    fail(ErrorKind::bad_request, "run: expected a prompt as argument or on standard input");
  if (options.json && prompt.empty()) fail(ErrorKind::bad_request, "run: --json needs a prompt");
  const auto start = Clock::now();
  Conversation conversation({options.model, options.context, options.raw},
                            {options.sampling, options.max_tokens, options.stop, options.system});
  const double load_s = std::chrono::duration<double>(Clock::now() - start).count();
  if (prompt.empty()) return talk(conversation);
  if (!conversation.chats() && !options.raw)
    fmt::print(stderr, "{}: no chat template: continuing the text as it is\n", conversation.model().name);
  return options.json ? answer_as_json(conversation, prompt, load_s) : answer_once(conversation, prompt);
}

void add_sampling_options(Command command, AskedSampling& asked) {
  command.option("--temperature", &asked.temperature,
                 "0 takes the most likely token each time; what is not given is the model's own (see inspect)");
  command.option("--top-k", &asked.top_k, "Only the K most likely tokens (0: all)");
  command.option("--top-p", &asked.top_p, "Only the most likely tokens that together have probability P");
  command.option("--min-p", &asked.min_p, "Only tokens at least P times as likely as the most likely");
  command.option("--repetition-penalty", &asked.repetition_penalty,
                 "Above 1: tokens of prompt and answer become less likely");
  command.option("--presence-penalty", &asked.presence_penalty, "Taken from the logit of tokens already said");
  command.option("--frequency-penalty", &asked.frequency_penalty, "The same, for each time");
  command.option("--seed", &asked.seed, "The same seed gives the same answer");
}

}  // namespace

void add_run_command(Commands& commands) {
  auto options = std::make_shared<RunOptions>();
  const Command command =
      commands.add("run", "Talk with a model, or get one answer",
                   "glassbox run glassbox/prism                           # a conversation\n"
                   "  glassbox run glassbox/prism 'What is 17 + 25?'        # one answer\n"
                   "  cat notes.txt | glassbox run MODEL 'Summarize this.'  # about a text\n"
                   "  glassbox run MODEL --temperature 0 -- '--help means'  # -- before a text with a dash",
                   options, run);
  options->model.add_to(command);
  command.option("PROMPT", &options->prompt,
                 "What to say, after the text on standard input if there is one; without either, a conversation");
  command.option("--system", &options->system, "System prompt");
  command.flag("--raw", &options->raw, "Continue the prompt as it is, without the chat template");
  command.option("--max-tokens", &options->max_tokens, "Longest answer (default: until the context is full)")
      .positive();
  command.repeated("--stop", &options->stop, "A text that ends the answer (may be given several times)");
  command.option("--context", &options->context, "Longest conversation in tokens (default: the model's own)")
      .positive();
  add_sampling_options(command, options->sampling);
  command.flag("--json", &options->json, "One JSON object, for programs");
}

}  // namespace glassbox
