// glassbox convert: a model in another format or dtype.
#include <unistd.h>

#include <cstdio>

#include "base/error.h"
#include "base/json.h"
#include "base/output.h"
#include "cli/command.h"
#include "cli/fetch.h"
#include "cli/figures.h"
#include "convert/convert.h"

namespace glassbox {
namespace {

struct Options {
  std::string source, target, dtype;
  ConvertOptions convert;
  bool json = false;
};

int run(const Options& given) {
  ConvertOptions options = given.convert;
  if (!given.dtype.empty()) {
    options.dtype = dtype_named(given.dtype);
    if (!options.dtype) fail(ErrorKind::bad_request, "--dtype: expected f32, f16 or bf16, got {}", given.dtype);
  }
  fetch_model(given.source);
  remove_unfinished_on_signals();
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  const Converted done = convert(given.source, given.target, options, [&](const Progress& p) {
    if (terminal) fmt::print(stderr, "\r\033[K{:>3} %  {}", p.total ? 100 * p.done / p.total : 100, p.tensor);
  });
  if (terminal) fmt::print(stderr, "\r\033[K");
  if (given.json)
    fmt::print("{}\n", dump_ordered_json({{"tensors", done.tensors}, {"bytes", done.bytes}, {"files", done.files}}));
  else
    fmt::print("{}: {} tensors, {}\n", given.target, done.tensors, human_bytes(static_cast<double>(done.bytes)));
  say_beyond_gguf(given.target);
  return 0;
}

}  // namespace

void add_convert_command(Commands& commands) {
  auto options = std::make_shared<Options>();
  const Command command =
      commands.add("convert", "A model in another format or dtype: a folder of safetensors, or a GGUF file",
                   "glassbox convert glassbox/prism prism.gguf --dtype bf16", options, run);
  command
      .option("SOURCE", &options->source, "glassbox/prism, a folder as published, a .gguf file, or OWNER/NAME of a hub")
      .required();
  command.option("TARGET", &options->target, "A name that ends in .gguf, or a folder to make").required();
  command.option("--dtype", &options->dtype,
                 "f32, f16 or bf16 for matrices (default: as they are; from GGUF its blocks as f32, to GGUF FP8 "
                 "and int4 as bf16)");
  command.option("--shard-bytes", &options->convert.shard_bytes, "Begin another safetensors file beyond this size")
      .positive()
      .shows_default();
  command.repeated("--ignore-key", &options->convert.ignore_keys, "A key of config.json that the target need not say");
  add_force_option(command, &options->convert.force);
  command.flag("--json", &options->json, "One JSON object, for programs");
}

}  // namespace glassbox
