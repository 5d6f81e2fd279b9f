// glassbox eval: how good a model is, counted.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/output.h"
#include "cli/command.h"
#include "cli/figures.h"
#include "cli/model_options.h"
#include "engine/model.h"
#include "eval/importance.h"
#include "eval/perplexity.h"

namespace glassbox {
namespace {

struct EvalOptions {
  ModelOptions model;
  std::string text;
  std::string imatrix;  // a file to write, or empty
  PerplexityOptions perplexity;
  bool force = false, json = false;
};

int eval(const EvalOptions& options) {
  if (options.text.empty()) fail(ErrorKind::bad_request, "eval: expected --perplexity and a file of text");
  if (!options.imatrix.empty()) {
    std::vector<std::filesystem::path> inputs = options.model.files();
    inputs.emplace_back(options.text);
    check_output(options.imatrix, inputs, options.force);
    remove_unfinished_on_signals();
  }
  const std::string text = read_file(options.text);
  const auto model = options.model.open();
  PerplexityOptions given = options.perplexity;
  given.threads = options.model.threads;
  std::optional<ImportanceCollector> importance;
  if (!options.imatrix.empty()) {
    importance.emplace(*model->network);
    given.taps = &importance->taps();
  }
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  const Perplexity result = measure_perplexity(
      *model, perplexity_tokens(model->tokenizer, text), given, [&](const Perplexity& so_far, int64_t windows) {
        if (terminal)
          fmt::print(stderr, "\r{}/{} windows, perplexity {:.4f} ", so_far.windows, windows, so_far.perplexity);
      });
  if (terminal) fmt::print(stderr, "\r\033[K");
  if (importance)
    write_importance(options.imatrix, importance->sums(), std::filesystem::path(options.text).filename().string(),
                     result.windows, given.context, options.force ? Existing::replaced : Existing::refused);
  if (options.json)
    fmt::print("{}\n", dump_ordered_json({{"perplexity", result.perplexity},
                                          {"error", result.error},
                                          {"tokens", result.tokens},
                                          {"windows", result.windows},
                                          {"context", given.context}}));
  else
    fmt::print("perplexity {:.4f} +- {:.4f} over {} tokens in {} windows of {}\n", result.perplexity, result.error,
               with_commas(result.tokens), result.windows, given.context);
  return 0;
}

}  // namespace

void add_eval_command(Commands& commands) {
  auto options = std::make_shared<EvalOptions>();
  const Command command =
      commands.add("eval", "How good a model is: the perplexity of a text",
                   "glassbox eval glassbox/prism --perplexity text.txt --context 512", options, eval);
  options->model.add_to(command);
  command.option("--perplexity", &options->text, "A file of text, counted as llama.cpp's perplexity tool counts");
  command.option("--context", &options->perplexity.context, "Tokens of a window; its second half is scored")
      .positive()
      .shows_default();
  command.option("--windows", &options->perplexity.windows, "Only the first so many windows (default: all)").positive();
  command.option("--imatrix", &options->imatrix,
                 "Write how much each input matters, for quantize --imatrix (llama.cpp's GGUF format)");
  add_force_option(command, &options->force);
  command.flag("--json", &options->json, "One JSON object, for programs");
}

}  // namespace glassbox
