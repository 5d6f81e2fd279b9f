// glassbox trace: what the named places of a model held while it read a prompt.
#include <fmt/ranges.h>

#include <cstdio>
#include <sstream>

#include "audit/trace.h"
#include "base/error.h"
#include "base/json.h"
#include "base/output.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "engine/model.h"

namespace glassbox {
namespace {

struct TraceOptions {
  ModelOptions model;
  std::string prompt, tokens, out;
  std::vector<std::string> taps;
  bool list = false, force = false, json = false;
};

std::vector<int32_t> parse_tokens(const std::string& text) {
  std::istringstream stream(text);
  std::vector<int32_t> tokens;
  for (std::string word; stream >> word;) {
    size_t used = 0;
    long value = -1;
    try {
      value = std::stol(word, &used);
    } catch (const std::exception&) {}
    if (used != word.size() || value < 0 || value > INT32_MAX)
      fail(ErrorKind::bad_request, "--tokens: expected token ids with spaces between, got \"{}\"", word);
    tokens.push_back(static_cast<int32_t>(value));
  }
  return tokens;
}

void print_summary(const TracedValue& value, bool json) {
  const ValueSummary s = summarize(value.values);
  if (json) {
    fmt::print("{}\n", dump_json({{"name", value.name},
                                  {"shape", value.shape},
                                  {"min", s.smallest},
                                  {"max", s.largest},
                                  {"mean", s.mean},
                                  {"std", s.deviation},
                                  {"not_finite", s.not_finite}}));
  } else {
    fmt::print("{:<48} {:<18} min {:>11.4g}  max {:>11.4g}  mean {:>11.4g}  std {:>10.4g}{}\n", value.name,
               fmt::format("[{}]", fmt::join(value.shape, ", ")), s.smallest, s.largest, s.mean, s.deviation,
               s.not_finite ? fmt::format("  {} not finite", s.not_finite) : "");
  }
}

int run_trace(const TraceOptions& options) {
  if (!options.out.empty()) {
    check_output(options.out, options.model.files(), options.force);
    remove_unfinished_on_signals();
  }
  const auto model = options.model.open();
  if (options.list) {
    for (const std::string& name : tap_names(*model, options.model.threads)) fmt::print("{}\n", name);
    return 0;
  }
  if (options.taps.empty()) fail(ErrorKind::bad_request, "--taps: expected at least one name; --list names them all");
  if (options.prompt.empty() == options.tokens.empty())
    fail(ErrorKind::bad_request, "trace: expected either PROMPT or --tokens");
  const auto tokens = options.tokens.empty() ? model->tokenizer.encode(options.prompt) : parse_tokens(options.tokens);
  const auto adapter = options.model.open_adapter(*model);
  const auto traced = trace(*model, tokens, options.taps, options.model.threads, adapter.get());
  model->check_whole();
  for (const TracedValue& value : traced) print_summary(value, options.json);
  if (!options.out.empty())
    write_trace(options.out, traced, *model, options.force ? Existing::replaced : Existing::refused);
  return 0;
}

}  // namespace

void add_trace_command(Commands& commands) {
  auto options = std::make_shared<TraceOptions>();
  const Command command =
      commands.add("trace", "See what named places inside a model hold while it reads a prompt",
                   "glassbox trace glassbox/prism 'What is 2 + 3?' --taps 'model.layers.*.self_attn.out,logits'",
                   options, run_trace);
  options->model.add_to(command);
  command.option("PROMPT", &options->prompt, "Text, as it is");
  command.option("--tokens", &options->tokens, "Exactly these token ids, with spaces between");
  command.option("--taps", &options->taps, "Names, with commas between; * and ? stand for any characters")
      .separated_by(',');
  command.option("--out", &options->out, "Write the values to this safetensors file");
  add_force_option(command, &options->force);
  command.flag("--list", &options->list, "Name every tap");
  command.flag("--json", &options->json, "One JSON object a line");
}

}  // namespace glassbox
