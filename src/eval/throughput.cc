#include "eval/throughput.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "models/registry.h"
#include "tensor/machine.h"

namespace glassbox {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::vector<int32_t> random_tokens(int64_t count, int64_t vocabulary) {
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  for (size_t i = 0; i < tokens.size(); ++i)
    tokens[i] = static_cast<int32_t>(philox(5, i)[0] % static_cast<uint64_t>(vocabulary));
  return tokens;
}

}  // namespace

Throughput measure_throughput(const ThroughputOptions& options) {
  if (options.dtype != DType::f32 && options.dtype != DType::bf16)
    fail(ErrorKind::unsupported, "bench: random weights are f32 or bf16, not {}", info(options.dtype).name);
  Json json = read_json(options.shape);
  if (!json.is_object())
    fail(ErrorKind::bad_file, "{}: expected a JSON object, got {}", options.shape.string(), json.type_name());
  if (options.layers > 0) json["num_hidden_layers"] = options.layers;
  Config config(std::move(json), options.shape.string());
  RandomWeights weights(options.dtype);
  const auto model = make_model(config, weights);
  const ModelShape& shape = model->shape();
  if (options.prefill + options.decode > shape.context)
    fail(ErrorKind::bad_request, "bench: {} + {} tokens exceed the context of {}", options.prefill, options.decode,
         shape.context);

  Workspace workspace(options.threads);
  const int threads = workspace.pool.threads();
  const BandwidthCeiling memory(threads);
  const std::vector<int32_t> tokens = random_tokens(options.prefill + options.decode, shape.vocabulary);
  const std::span<const int32_t> all(tokens);

  Throughput result{};
  result.kernels = kernel_set();
  result.threads = threads;
  const auto measure_ceilings = [&] {
    result.read_bandwidth = std::max(result.read_bandwidth, memory.measure());
    result.matmul_ceiling = std::max(result.matmul_ceiling, measured_fma_ceiling(threads));
  };
  KvCache cache(model->cache_shape());
  const auto walk = [&](std::span<const int32_t> run) {
    Pass pass(workspace);
    pass.add(run, &cache, Logits::last);
    (*model)(pass);
  };
  walk(all.first(static_cast<size_t>(options.prefill)));  // pages in the weights, grows the arena
  // Speeds and ceilings in turn, the best of each: on a machine that others use too, one look at either says little.
  const int64_t rounds = std::min<int64_t>(3, options.decode);
  for (int64_t round = 0; round < rounds; ++round) {
    measure_ceilings();
    cache.resize(0);
    auto start = Clock::now();
    walk(all.first(static_cast<size_t>(options.prefill)));
    result.prefill_tokens_per_s =
        std::max(result.prefill_tokens_per_s, static_cast<double>(options.prefill) / seconds_since(start));
    const int64_t count = options.decode / rounds + (round < options.decode % rounds);
    start = Clock::now();
    for (int64_t i = 0; i < count; ++i) walk(all.subspan(static_cast<size_t>(options.prefill + i), 1));
    result.decode_tokens_per_s =
        std::max(result.decode_tokens_per_s, static_cast<double>(count) / seconds_since(start));
  }
  measure_ceilings();

  const auto size = static_cast<double>(info(options.dtype).bytes);
  const auto table =
      static_cast<double>(shape.vocabulary * shape.hidden);  // the output matrix, and an embedding if not tied
  const double in_layers = static_cast<double>(weights.bytes()) / size - table * (shape.tied ? 1 : 2);
  const double middle =
      static_cast<double>(options.prefill) + static_cast<double>(options.decode) / static_cast<double>(2 * rounds);
  result.bytes_per_token =
      (in_layers + table) * size + middle * static_cast<double>(model->cache_shape().position_bytes());
  const double attention =
      4 * static_cast<double>(shape.layers * shape.heads * shape.head_dim) * static_cast<double>(options.prefill) / 2;
  result.flops_per_token = 2 * in_layers + attention + 2 * table / static_cast<double>(options.prefill);
  result.bandwidth_fraction = result.decode_tokens_per_s * result.bytes_per_token / result.read_bandwidth;
  result.matmul_fraction = result.prefill_tokens_per_s * result.flops_per_token / result.matmul_ceiling;
  return result;
}

}  // namespace glassbox
