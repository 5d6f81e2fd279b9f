// Any text as config.json and as generation_config.json: an Error of one line, or values in their ranges.
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "formats/config.h"
#include "formats/generation_config.h"
#include "fuzz/require.h"

namespace {

using namespace glassbox;

void attempt(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) { require_one_line(error.what()); }
}

void read_config(const Json& json) {
  const std::string ignore[] = {"ignored", "rope_scaling.ignored"};
  const Config config(json, "config.json", ignore);
  attempt([&] {
    for (const char* key : {"hidden_size", "num_hidden_layers", "vocab_size"})
      require(config.positive<int32_t>(key) >= 1);
  });
  attempt([&] { require(config.positive_or<int64_t>("head_dim", 64, 1 << 16) <= 1 << 16); });
  attempt([&] { config.between<double>("rms_norm_eps", 0.0, 1.0); });
  attempt([&] { config.choice_or("hidden_act", "silu", {"silu"}); });
  attempt([&] { config.optional<bool>("attention_bias"); });
  attempt([&] { config.optional<std::vector<std::string>>("layer_types"); });
  attempt([&] { config.optional<std::vector<int64_t>>("layers"); });
  attempt([&] { config.only("scale", 1); });
  attempt([&] { read_dtype(config); });
  attempt([&] {
    const RopeConfig rope = read_rope(config);
    require(rope.theta >= 1 && rope.factor >= 1);
    if (rope.kind == RopeConfig::Kind::llama3)
      require(rope.high_freq_factor >= rope.low_freq_factor && rope.original_max_position_embeddings > 0);
    if (rope.kind == RopeConfig::Kind::yarn)
      require(rope.attention_factor > 0 && rope.beta_fast > 0 && rope.original_max_position_embeddings > 0);
  });
  attempt([&] {
    const RopeConfigs ropes = read_ropes(config);
    require(ropes.full.theta >= 1 && ropes.sliding.theta >= 1);
  });
  attempt([&] { require(read_sliding_layers(config, 4, [](int64_t) { return true; }).size() == 4); });
  attempt([&] { config.finish(); });
  config.ignored();
  for (const std::string& warning : config.warnings()) require_one_line(warning);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  attempt([&] {
    const Json json = parse_json(text, "config.json");
    attempt([&] { read_config(json); });
    attempt([&] {
      const GenerationConfig generation = read_generation_config(json, json);
      for (const int32_t id : generation.eos) require(id >= 0);
      for (const std::string& warning : generation.warnings) require_one_line(warning);
    });
  });
  return 0;
}
