#include "eval/throughput.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <string>
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

// The object that speaks of layers: the configuration, or that of the text model within it.
Json& layered(Json& config) {
  const bool within =
      !config.contains("num_hidden_layers") && config.contains("text_config") && config["text_config"].is_object();
  return within ? config["text_config"] : config;
}

// Bytes of a weight, its scales included.
double bytes_of(const Tensor& w) {
  auto bytes = static_cast<double>(w.bytes());
  if (const Scales* scales = w.scales()) {
    const auto blocks = [](int64_t n, int64_t size) { return static_cast<double>((n + size - 1) / size); };
    const int64_t rows = w.shape().rank() > 1 ? w.shape()[-2] : 1;
    const double matrices = static_cast<double>(w.rows()) / static_cast<double>(rows);
    bytes += matrices * blocks(rows, scales->rows) * blocks(w.width(), scales->columns) *
             static_cast<double>(info(scales->dtype).bytes);
  }
  return bytes;
}

// What a sequence would remember of a past nobody walked: keys and values drawn at random for a block of positions, and
// the same in every block, layer and head, each in memory of its own. In steps, so that layers forget as they would.
void imagine_past(SequenceMemory& memory, int64_t positions, ThreadPool& pool) {
  constexpr int64_t kTogether = 64, kStep = 512;  // positions written at once; and remembered at once
  int64_t width = 1;
  for (int64_t layer = 0; layer < memory.shape().layers(); ++layer)
    width = std::max(width, memory.attention(layer).width);
  std::vector<float> rows(static_cast<size_t>(2 * kTogether * width));
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<float>(philox(6, i)[0]) * 0x1p-31f - 1.0f;
  while (memory.length() < positions) {
    const int64_t from = memory.length(), to = std::min(positions, from + kStep);
    memory.resize(to);
    pool.parallel_for(memory.shape().layers(), [&](int64_t layer) {
      const SequenceMemory::Rows kept = memory.attention(layer);
      const float* values = kept.values_in_keys ? nullptr : rows.data() + kTogether * width;
      for (int64_t head = 0; head < kept.heads; ++head)
        for (int64_t at = from; at < to; at += kTogether)
          kept.write(head, at, std::min(kTogether, to - at), rows.data(), values, width);
    });
  }
}

}  // namespace

Json with_layers(Json config, int64_t layers) {
  Json& c = layered(config);
  const Json count = c.value("num_hidden_layers", Json());
  if (!count.is_number_integer() || count.get<int64_t>() <= layers) return config;
  for (auto& [key, value] : c.items()) {
    if (!value.is_array()) continue;
    if (value.size() == count.get<size_t>()) {
      value.erase(value.begin() + layers, value.end());
    } else if (key == "mlp_only_layers" || key == "moe_layers") {
      Json kept = Json::array();
      for (const Json& layer : value)
        if (layer.is_number_integer() && layer.get<int64_t>() < layers) kept.push_back(layer);
      value = std::move(kept);
    }
  }
  if (c.contains("first_k_dense_replace") && c["first_k_dense_replace"].is_number_integer())
    c["first_k_dense_replace"] = std::min(c["first_k_dense_replace"].get<int64_t>(), layers - 1);
  if (c.contains("num_nextn_predict_layers")) c["num_nextn_predict_layers"] = 0;  // they follow the last layer
  c["num_hidden_layers"] = layers;
  return config;
}

Throughput measure_throughput(const RandomModel& random, const ThroughputOptions& options) {
  Json json = read_json(random.shape);
  if (!json.is_object())
    fail(ErrorKind::bad_file, "{}: expected a JSON object, got {}", random.shape.string(), json.type_name());
  if (random.layers > 0) json = with_layers(std::move(json), random.layers);
  json.erase("quantization_config");
  Config config(std::move(json), random.shape.string());
  RandomWeights weights(random.dtype);
  return measure_throughput(*make_model(config, weights), options);
}

Throughput measure_throughput(const LanguageModel& model, const ThroughputOptions& options) {
  const ModelShape& shape = model.shape();
  if (options.prefill + options.decode == 0)
    fail(ErrorKind::bad_request, "bench: neither tokens of prompt nor of answer to measure");
  if (options.past + options.prefill + options.decode > shape.context)
    fail(ErrorKind::bad_request, "bench: {} tokens exceed the context of {}",
         options.past + options.prefill + options.decode, shape.context);

  Workspace workspace(options.threads);
  const int threads = workspace.pool.threads();
  const BandwidthCeiling bandwidth(threads);
  const std::vector<int32_t> tokens = random_tokens(options.prefill + options.decode, shape.vocabulary);
  const std::span<const int32_t> all(tokens);

  Throughput result{};
  result.kernels = kernel_set();
  result.threads = threads;
  const auto measure_ceilings = [&] {
    result.read_bandwidth = std::max(result.read_bandwidth, bandwidth.measure());
    result.matmul_ceiling = std::max(result.matmul_ceiling, measured_fma_ceiling(threads));
    result.bf16_ceiling = std::max(result.bf16_ceiling, measured_bf16_ceiling(threads));
    result.int8_ceiling = std::max(result.int8_ceiling, measured_int8_ceiling(threads));
  };
  SequenceMemory past(model.memory_shape());
  imagine_past(past, options.past, workspace.pool);
  SequenceMemory memory = past;
  const auto walk = [&](std::span<const int32_t> run) {
    Pass pass(workspace);
    pass.add(run, &memory, Logits::last);
    model(pass);
  };
  const std::span<const int32_t> prompt = all.first(static_cast<size_t>(options.prefill));
  // Pages in the weights, grows the arena.
  walk(all.first(static_cast<size_t>(std::clamp<int64_t>(options.prefill, 1, 512))));
  // Speeds and ceilings in turn, the best of each: on a machine that others use too, one look at either says little.
  const int64_t rounds = options.decode > 0 ? std::min(options.rounds, options.decode) : options.rounds;
  for (int64_t round = 0; round < rounds; ++round) {
    measure_ceilings();
    memory = past;
    auto start = Clock::now();
    if (!prompt.empty()) walk(prompt);
    result.prefill_tokens_per_s =
        std::max(result.prefill_tokens_per_s, static_cast<double>(options.prefill) / seconds_since(start));
    const int64_t count = options.decode / rounds + (round < options.decode % rounds);
    start = Clock::now();
    for (int64_t i = 0; i < count; ++i) walk(all.subspan(static_cast<size_t>(options.prefill + i), 1));
    result.decode_tokens_per_s =
        std::max(result.decode_tokens_per_s, static_cast<double>(count) / seconds_since(start));
  }
  measure_ceilings();

  // Of the embedding a token reads one row, unless it is the output matrix too; only the last row of a prompt reaches
  // that.
  double in_layers = 0;
  const double table = static_cast<double>(shape.vocabulary * shape.hidden);
  const int64_t seen = options.past + options.prefill + options.decode / std::max<int64_t>(1, 2 * rounds);
  result.bytes_per_token = static_cast<double>(model.memory_shape().bytes_seen(seen - 1));
  std::set<const void*> counted;  // a tied table is met under two names
  for (const auto& [module, weight, kind, parameter] : model.adaptable_weights(workspace)) {
    const std::string name = module + "." + parameter;
    const bool embedding = name.ends_with("embed_tokens.weight");
    if ((embedding && !shape.tied) || !counted.insert(weight.data<std::byte>()).second) continue;
    const auto whole = static_cast<int64_t>(bytes_of(weight));
    result.bytes_per_token += shape.used_by_a_token(name, whole);
    if (!embedding && !name.ends_with("lm_head.weight"))
      in_layers += shape.used_by_a_token(name, weight.shape().elements());
  }
  const double attention = 4 * static_cast<double>(shape.layers * shape.heads * shape.head_dim) *
                           (static_cast<double>(options.past) + static_cast<double>(options.prefill) / 2);
  result.flops_per_token =
      2 * in_layers + attention + 2 * table / static_cast<double>(std::max<int64_t>(1, options.prefill));
  result.bandwidth_fraction = result.decode_tokens_per_s * result.bytes_per_token / result.read_bandwidth;
  result.matmul_fraction = result.prefill_tokens_per_s * result.flops_per_token / result.matmul_ceiling;
  result.bf16_fraction = result.prefill_tokens_per_s * result.flops_per_token / result.bf16_ceiling;
  result.int8_fraction = result.prefill_tokens_per_s * result.flops_per_token / result.int8_ceiling;
  return result;
}

}  // namespace glassbox
