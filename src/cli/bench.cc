// glassbox bench: tokens per second of a model or a shape, beside the machine's ceilings measured in the same run.
#include "base/error.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/fetch.h"
#include "cli/figures.h"
#include "engine/model.h"
#include "eval/throughput.h"

namespace glassbox {
namespace {

struct BenchOptions {
  ThroughputOptions throughput;
  std::string model;  // a reference; empty: `random`
  std::vector<std::string> ignore_keys;
  RandomModel random;
  std::string dtype = "bf16";
  bool json = false;
};

Throughput measure(const BenchOptions& given) {
  if (given.model.empty() == given.random.shape.empty())
    fail(ErrorKind::bad_request, "bench: expected a model or --shape, got {}",
         given.model.empty() ? "neither" : "both");
  fetch_model(given.model);
  if (!given.model.empty())
    return measure_throughput(*open_model(given.model, {given.ignore_keys})->network, given.throughput);
  RandomModel random = given.random;
  const auto dtype = dtype_named(given.dtype);
  if (!dtype)
    fail(ErrorKind::bad_request, "--dtype: expected a type of weights (f32, bf16, f8_e4m3, q8_0, q4_k, ...), got {}",
         given.dtype);
  random.dtype = *dtype;
  return measure_throughput(random, given.throughput);
}

int bench(const BenchOptions& given) {
  const Throughput t = measure(given);
  const bool prefill = given.throughput.prefill > 0, decode = given.throughput.decode > 0;
  if (given.json) {
    OrderedJson figures = OrderedJson::object();
    if (prefill)
      figures.update({{"prefill_tokens_per_s", t.prefill_tokens_per_s},
                      {"matmul_fraction", t.matmul_fraction},
                      {"bf16_fraction", t.bf16_fraction},
                      {"int8_fraction", t.int8_fraction}});
    if (decode)
      figures.update({{"decode_tokens_per_s", t.decode_tokens_per_s},
                      {"bytes_per_token", t.bytes_per_token},
                      {"bandwidth_fraction", t.bandwidth_fraction}});
    figures.update({{"read_bandwidth", t.read_bandwidth},
                    {"matmul_ceiling", t.matmul_ceiling},
                    {"bf16_ceiling", t.bf16_ceiling},
                    {"int8_ceiling", t.int8_ceiling},
                    {"kernels", t.kernels},
                    {"threads", t.threads}});
    fmt::print("{}\n", dump_ordered_json(figures));
    return 0;
  }
  fmt::print("{}, {} threads, kernels {}\n",
             given.model.empty() ? given.random.shape.string() + ", " + given.dtype : given.model, t.threads,
             t.kernels);
  if (prefill)
    fmt::print(
        "prefill {:>9.1f} tok/s   {:>5.1f} % of {:.0f} Gflop/s (float32 multiply-adds), {:.1f} % of {:.0f} Gflop/s "
        "(products of bf16), {:.1f} % of {:.0f} Gop/s (products of bytes)\n",
        t.prefill_tokens_per_s, 100 * t.matmul_fraction, t.matmul_ceiling / 1e9, 100 * t.bf16_fraction,
        t.bf16_ceiling / 1e9, 100 * t.int8_fraction, t.int8_ceiling / 1e9);
  if (decode)
    fmt::print("decode  {:>9.1f} tok/s   {:>5.1f} % of {:.1f} GB/s ({} a token)\n", t.decode_tokens_per_s,
               100 * t.bandwidth_fraction, t.read_bandwidth / 1e9, human_bytes(t.bytes_per_token));
  return 0;
}

}  // namespace

void add_bench_command(Commands& commands) {
  auto options = std::make_shared<BenchOptions>();
  const Command command = commands.add(
      "bench", "Tokens per second of a model, or of a shape with random weights, beside the machine's ceilings",
      "glassbox bench glassbox/prism --prefill 256\n"
      "  glassbox bench --shape bench/shapes/llama-3.2-1b.json --dtype bf16",
      options, bench);
  command.option("MODEL", &options->model,
                 "glassbox/prism, a folder as published, a .gguf file, or OWNER/NAME of a hub");
  command.repeated("--ignore-key", &options->ignore_keys, "A key of config.json to run without, though it may matter");
  const Option shape = command.option("--shape", &options->random.shape, "A config.json, instead of a model");
  command
      .option("--dtype", &options->dtype,
              "Of a shape's matrices: f32, bf16, f8_e4m3, or a block type of GGUF (q8_0, q4_k, ...)")
      .needs(shape)
      .shows_default();
  command
      .option("--layers", &options->random.layers,
              "Only this many of a shape's layers; the last one is a mixture of experts where it has any")
      .needs(shape)
      .positive();
  ThroughputOptions& throughput = options->throughput;
  command.option("--past", &throughput.past, "Positions remembered before the prompt, made up")
      .not_negative()
      .shows_default();
  command.option("--prefill", &throughput.prefill, "Tokens of prompt; 0: none").not_negative().shows_default();
  command.option("--decode", &throughput.decode, "Tokens of answer behind it, all rounds together; 0: none")
      .not_negative()
      .shows_default();
  command.option("--rounds", &throughput.rounds, "How often each is measured: the best is told")
      .positive()
      .shows_default();
  add_threads_option(command, &throughput.threads);
  command.flag("--json", &options->json, "One JSON object, for programs");
}

}  // namespace glassbox
