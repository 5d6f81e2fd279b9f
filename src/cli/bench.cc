// glassbox bench: tokens per second of a shape, beside the machine's ceilings measured in the same run.
#include "base/error.h"
#include "base/json.h"
#include "cli/command.h"
#include "eval/throughput.h"

namespace glassbox {
namespace {

struct BenchOptions {
  ThroughputOptions throughput;
  std::string dtype = "bf16";
  bool json = false;
};

int bench(const BenchOptions& given) {
  ThroughputOptions options = given.throughput;
  const auto dtype = dtype_named(given.dtype);
  if (!dtype)
    fail(ErrorKind::bad_request, "--dtype: expected a type of weights (f32, bf16, f8_e4m3, q8_0, q4_k, ...), got {}",
         given.dtype);
  options.dtype = *dtype;
  const Throughput t = measure_throughput(options);
  if (given.json) {
    fmt::print("{}\n", OrderedJson({{"prefill_tokens_per_s", t.prefill_tokens_per_s},
                                    {"decode_tokens_per_s", t.decode_tokens_per_s},
                                    {"bytes_per_token", t.bytes_per_token},
                                    {"read_bandwidth", t.read_bandwidth},
                                    {"bandwidth_fraction", t.bandwidth_fraction},
                                    {"matmul_ceiling", t.matmul_ceiling},
                                    {"matmul_fraction", t.matmul_fraction},
                                    {"kernels", t.kernels},
                                    {"threads", t.threads}})
                           .dump());
    return 0;
  }
  fmt::print("{}, {}, {} threads, kernels {}\n", options.shape.string(), given.dtype, t.threads, t.kernels);
  fmt::print("prefill {:>9.1f} tok/s   {:>5.1f} % of {:.0f} Gflop/s (float32 multiply-adds)\n", t.prefill_tokens_per_s,
             100 * t.matmul_fraction, t.matmul_ceiling / 1e9);
  fmt::print("decode  {:>9.1f} tok/s   {:>5.1f} % of {:.1f} GB/s ({} a token)\n", t.decode_tokens_per_s,
             100 * t.bandwidth_fraction, t.read_bandwidth / 1e9, human_bytes(t.bytes_per_token));
  return 0;
}

}  // namespace

void add_bench_command(Commands& commands) {
  auto options = std::make_shared<BenchOptions>();
  auto* command =
      commands.add("bench", "Tokens per second of a model's shape with random weights, beside the machine's ceilings",
                   "glassbox bench --shape bench/shapes/llama-3.2-1b.json --dtype bf16", options, bench);
  ThroughputOptions& throughput = options->throughput;
  command->add_option("--shape", throughput.shape, "A config.json")->required();
  command
      ->add_option("--dtype", options->dtype,
                   "Of the matrices: f32, bf16, f8_e4m3, or a block type of GGUF (q8_0, q4_k, ...)")
      ->capture_default_str();
  command
      ->add_option("--layers", throughput.layers,
                   "Only this many layers; the last one is a mixture of experts where the shape has any")
      ->check(positive_number());
  command->add_option("--prefill", throughput.prefill, "Tokens of prompt")
      ->check(positive_number())
      ->capture_default_str();
  command->add_option("--decode", throughput.decode, "Tokens of answer")
      ->check(positive_number())
      ->capture_default_str();
  add_threads_option(*command, throughput.threads);
  command->add_flag("--json", options->json, "One JSON object, for programs");
}

}  // namespace glassbox
