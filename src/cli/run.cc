// glassbox run: talk with a model in the terminal, or get one answer for a program.
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <mutex>
#include <optional>

#include "base/error.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/line_editor.h"
#include "text/chat_syntax.h"

namespace glassbox {
namespace {

using Clock = std::chrono::steady_clock;

struct RunOptions {
  ModelOptions model;
  SamplingOptions sampling;
  std::string prompt, system;
  std::vector<std::string> stop;
  int64_t max_tokens = -1, context = 0;
  bool json = false, raw = false;
};

std::atomic<bool> interrupted = false;

// Ctrl-C asks the answer to stop; a second one while it is stopping is the shell's usual end.
struct CatchInterrupt {
  struct sigaction before{};
  CatchInterrupt() {
    interrupted = false;
    struct sigaction action{};
    action.sa_handler = [](int) { interrupted = true; };
    action.sa_flags = SA_RESETHAND;
    sigaction(SIGINT, &action, &before);
  }
  ~CatchInterrupt() { sigaction(SIGINT, &before, nullptr); }
  CatchInterrupt(const CatchInterrupt&) = delete;
  CatchInterrupt& operator=(const CatchInterrupt&) = delete;
};

struct Answer {
  std::string text, reasoning;
  Finished finished;
};

// Runs one request to its end, telling each piece of reasoning and of answer as it comes. Ctrl-C cancels it.
template <class Tell>
Answer ask(Engine& engine, GenerationRequest request, std::optional<AnswerParser> parser, Tell& tell) {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> pieces;
  bool done = false;
  Answer answer;
  const CatchInterrupt catching;
  const auto id = engine.submit(
      std::move(request),
      [&](const TokenEvent& event) {
        const std::lock_guard lock(mutex);
        pieces.push_back(event.text);
        changed.notify_one();
      },
      [&](const Finished& finished) {
        const std::lock_guard lock(mutex);
        pieces.push_back(finished.text);
        answer.finished = finished;
        done = true;
        changed.notify_one();
      });
  const auto take = [&](AnswerParser::Delta delta) {
    tell(delta);
    answer.reasoning += delta.reasoning;
    answer.text += delta.content;
  };
  for (bool over = false, asked_to_stop = false; !over;) {
    std::vector<std::string> fresh;
    {
      std::unique_lock lock(mutex);
      changed.wait_for(lock, std::chrono::milliseconds(50), [&] { return done || !pieces.empty(); });
      fresh.swap(pieces);
      over = done;
    }
    for (const std::string& piece : fresh) take(parser ? parser->push(piece) : AnswerParser::Delta{"", piece, {}});
    if (interrupted && !asked_to_stop) {
      engine.cancel(id);
      asked_to_stop = true;
    }
  }
  if (parser) take(parser->finish());
  if (const auto& failure = answer.finished.failure) fail(ErrorKind::io, "{}", failure->message);
  return answer;
}

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

// Reasoning is dimmed on a terminal, marked with its tags elsewhere.
class Printer {
 public:
  explicit Printer(bool terminal) : terminal_(terminal) {}
  void operator()(const AnswerParser::Delta& delta) {
    if (!delta.reasoning.empty()) {
      if (!reasoning_) put(terminal_ ? "\033[2m" : "<think>");
      reasoning_ = true;
      put(delta.reasoning);
    }
    if (!delta.content.empty()) {
      end_reasoning();
      put(delta.content);
    }
  }
  void end_reasoning() {
    if (reasoning_) put(terminal_ ? "\033[0m\n" : "</think>\n");
    reasoning_ = false;
  }

 private:
  static void put(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }
  bool terminal_;
  bool reasoning_ = false;
};

class Conversation {
 public:
  Conversation(const RunOptions& options, std::shared_ptr<const Model> model)
      : options_(options),
        model_(std::move(model)),
        adapter_(options.model.open_adapter(*model_)),
        engine_(model_, {.threads = options.model.threads, .context = options.context}) {
    clear();
  }

  const Model& model() const { return *model_; }
  bool chats() const { return model_->chat_template && !options_.raw; }

  void clear() {
    messages_ = OrderedJson::array();
    if (!options_.system.empty()) messages_.push_back({{"role", "system"}, {"content", options_.system}});
  }

  template <class Tell>
  Answer answer(const std::string& text, Tell& tell) {
    GenerationRequest request;
    request.adapter = adapter_;
    request.sampling = options_.sampling.over(sampling_defaults(model_->generation));
    request.max_tokens = options_.max_tokens;
    request.stop = options_.stop;
    if (!chats()) {
      request.prompt = model_->tokenizer.encode(text);
      return ask(engine_, std::move(request), std::nullopt, tell);
    }
    messages_.push_back({{"role", "user"}, {"content", text}});
    try {
      const std::string prompt = model_->render({{"messages", messages_}, {"add_generation_prompt", true}});
      request.prompt = model_->encode_prompt(prompt);
      AnswerParser parser(ChatSyntax::of_template(model_->chat_template->source()), nullptr, prompt);
      Answer answer = ask(engine_, std::move(request), std::move(parser), tell);
      messages_.push_back({{"role", "assistant"}, {"content", answer.text}});
      return answer;
    } catch (...) {
      messages_.erase(messages_.size() - 1);  // what was not answered was not said
      throw;
    }
  }

 private:
  const RunOptions& options_;
  std::shared_ptr<const Model> model_;
  std::shared_ptr<const Adapter> adapter_;
  Engine engine_;
  OrderedJson messages_;
};

int answer_once(Conversation& conversation, const RunOptions& options, double load_s) {
  if (options.json) {
    const auto silent = [](const AnswerParser::Delta&) {};
    const Answer answer = conversation.answer(options.prompt, silent);
    const Finished& f = answer.finished;
    OrderedJson out = {{"model", conversation.model().name},
                       {"text", answer.text},
                       {"reasoning", answer.reasoning},
                       {"finish_reason", name_of(f.reason)},
                       {"usage", {{"prompt_tokens", f.prompt_tokens}, {"completion_tokens", f.completion_tokens}}},
                       {"seed", f.seed},
                       {"timings",
                        {{"load_s", load_s},
                         {"prefill_tokens_per_s", per_second(f.prompt_tokens - f.cached_tokens, f.prefill_s)},
                         {"decode_tokens_per_s", per_second(f.completion_tokens - 1, f.decode_s)}}}};
    fmt::print("{}\n", out.dump(-1, ' ', false, OrderedJson::error_handler_t::replace));
    return 0;
  }
  Printer print(isatty(STDOUT_FILENO));
  const Answer answer = conversation.answer(options.prompt, print);
  print.end_reasoning();
  std::fputs("\n", stdout);
  return answer.finished.reason == FinishReason::cancelled ? 130 : 0;
}

constexpr const char* kHelp =
    "  /clear        forget the conversation and begin anew\n"
    "  /help         this list\n"
    "  /exit         leave (Ctrl-D does, too)\n"
    "  Ctrl-C        stop the answer\n";

int talk(Conversation& conversation, const RunOptions& options) {
  fmt::print(stderr, "{} is listening. /help lists what else you can type.\n", conversation.model().name);
  if (!conversation.chats())
    fmt::print(stderr, "{}: it continues the text you type.\n",
               options.raw ? "--raw leaves out the chat template" : "This model has no chat template");
  LineEditor editor("run");
  while (const auto line = editor.read("> ")) {
    if (line->find_first_not_of(" \t") == std::string::npos) continue;
    if (*line == "/exit" || *line == "/quit") break;
    if (*line == "/help") {
      fmt::print(stderr, "{}", kHelp);
    } else if (*line == "/clear") {
      conversation.clear();
    } else if (line->starts_with("/")) {
      fmt::print(stderr, "{}: no such command; /help lists them\n", line->substr(0, line->find(' ')));
    } else {
      try {
        Printer print(isatty(STDOUT_FILENO));
        const Answer answer = conversation.answer(*line, print);
        print.end_reasoning();
        const Finished& f = answer.finished;
        std::fputs("\n", stdout);
        if (isatty(STDERR_FILENO))
          fmt::print(stderr, "\033[2m{} tokens, {:.1f} tok/s{}\033[0m\n", f.completion_tokens,
                     per_second(f.completion_tokens - 1, f.decode_s),
                     f.reason == FinishReason::cancelled ? ", stopped"
                     : f.reason == FinishReason::length  ? ", at the limit of length"
                                                         : "");
      } catch (const Error& error) {
        fmt::print(stderr, "{}\n", error.what());
        if (error.kind() == ErrorKind::full) fmt::print(stderr, "/clear begins anew.\n");
      }
    }
  }
  return 0;
}

int run(const RunOptions& given) {
  RunOptions options = given;
  if (options.prompt.empty() && !isatty(STDIN_FILENO)) {
    options.prompt = read_standard_input();
    if (options.prompt.empty()) fail(ErrorKind::bad_request, "run: expected a prompt as argument or on standard input");
  }
  if (options.json && options.prompt.empty()) fail(ErrorKind::bad_request, "run: --json needs a prompt");
  const auto start = Clock::now();
  Conversation conversation(options, options.model.open());
  const double load_s = std::chrono::duration<double>(Clock::now() - start).count();
  if (options.prompt.empty()) return talk(conversation, options);
  if (!conversation.chats() && !options.raw)
    fmt::print(stderr, "{}: no chat template: continuing the text as it is\n", conversation.model().name);
  return answer_once(conversation, options, load_s);
}

}  // namespace

void add_run_command(Commands& commands) {
  auto options = std::make_shared<RunOptions>();
  auto* command = commands.add("run", "Talk with a model, or get one answer",
                               "glassbox run glassbox/prism 'What is 17 + 25?'", options, run);
  options->model.add_to(*command);
  command->add_option("PROMPT", options->prompt,
                      "What to say; without it, a conversation (or standard input, if that is no terminal)");
  command->add_option("--system", options->system, "System prompt");
  command->add_flag("--raw", options->raw, "Continue the prompt as it is, without the chat template");
  command->add_option("--max-tokens", options->max_tokens, "Longest answer (default: until the context is full)")
      ->check(CLI::PositiveNumber);
  command->add_option("--stop", options->stop, "A text that ends the answer (may be given several times)")->take_all();
  command->add_option("--context", options->context, "Longest conversation in tokens (default: the model's own)")
      ->check(CLI::PositiveNumber);
  options->sampling.add_to(*command);
  command->add_flag("--json", options->json, "One JSON object, for programs");
}

}  // namespace glassbox
