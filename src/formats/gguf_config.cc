#include "formats/gguf_config.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <set>

#include "base/error.h"
#include "base/quote.h"
#include "formats/config.h"
#include "formats/config_meaning.h"

namespace glassbox {
namespace {

using Kind = GgufKeyRule::Kind;

constexpr std::string_view kRopeFactors = "rope_freqs.weight";
// Ours: the four numbers behind rope_freqs.weight, which otherwise can only be told from the factors themselves.
constexpr std::string_view kLlama3Key = "glassbox.rope.llama3";

// The decimal a person would have written for a float32: 1e-05, not 9.999999747378752e-06.
double shortest(double value) {
  const auto narrow = static_cast<float>(value);
  if (static_cast<double>(narrow) != value) return value;
  return std::stod(fmt::format("{}", narrow));
}

const char* class_of(std::string_view model_type) {
  static constexpr std::pair<std::string_view, const char*> kClasses[] = {
      {"deepseek_v2", "DeepseekV2ForCausalLM"},
      {"deepseek_v3", "DeepseekV3ForCausalLM"},
      {"gemma2", "Gemma2ForCausalLM"},
      {"gemma3", "Gemma3ForConditionalGeneration"},
      {"gemma3_text", "Gemma3ForCausalLM"},
      {"gpt_oss", "GptOssForCausalLM"},
      {"kimi_k2", "DeepseekV3ForCausalLM"},
      {"llama", "LlamaForCausalLM"},
      {"llama4", "Llama4ForConditionalGeneration"},
      {"llama4_text", "Llama4ForCausalLM"},
      {"mistral", "MistralForCausalLM"},
      {"mixtral", "MixtralForCausalLM"},
      {"olmo", "OlmoForCausalLM"},
      {"olmo2", "Olmo2ForCausalLM"},
      {"olmo3", "Olmo3ForCausalLM"},
      {"olmoe", "OlmoeForCausalLM"},
      {"qwen2", "Qwen2ForCausalLM"},
      {"qwen3", "Qwen3ForCausalLM"},
      {"qwen3_moe", "Qwen3MoeForCausalLM"},
      {"smollm3", "SmolLM3ForCausalLM"},
  };
  for (const auto& [type, name] : kClasses)
    if (type == model_type) return name;
  return "";
}

// How GGUF numbers a router's function ("expert_gating_func").
constexpr uint32_t kSoftmax = 1, kSigmoid = 2;

// What config.json says that GGUF may have no words for: these keys alone may stand in kOwnConfig.
constexpr std::string_view kOwnKeys[] = {
    "attention_bias",
    "attention_chunk_size",
    "attn_logit_softcapping",
    "attn_scale",
    "attn_temperature_tuning",
    "clip_qkv",
    "decoder_sparse_step",
    "final_logit_softcapping",
    "floor_scale",
    "hidden_act",
    "hidden_activation",
    "layer_types",
    "max_window_layers",
    "mlp_bias",
    "mlp_only_layers",
    "model_type",
    "moe_layers",
    "no_rope_layers",
    "norm_topk_prob",
    "num_nextn_predict_layers",
    "query_pre_attn_scalar",
    "rms_norm_eps",
    "rope_interleave",
    "rope_local_base_freq",
    "rope_parameters",
    "rope_scaling",
    "rope_theta",
    "sliding_window",
    "swiglu_alpha",
    "swiglu_limit",
    "topk_method",
    "use_qk_norm",
    "use_sliding_window",
};
// How slowly Llama 3's scaling lets each frequency turn, beside its plain pace.
struct Llama3Scaling {
  double factor, low, high, original;

  std::vector<float> factors(double theta, int64_t head_dim) const {
    std::vector<float> result;
    for (int64_t i = 0; i < head_dim / 2; ++i) {
      const auto exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
      const auto frequency =
          static_cast<double>(static_cast<float>(1 / std::pow(theta, static_cast<double>(exponent))));
      const double wavelength = 2 * std::numbers::pi / frequency;
      if (wavelength < original / high) {
        result.push_back(1);
      } else if (wavelength > original / low) {
        result.push_back(static_cast<float>(factor));
      } else {
        const double keep = (original / wavelength - low) / (high - low);
        result.push_back(static_cast<float>(1 / ((1 - keep) / factor + keep)));
      }
    }
    return result;
  }
  Json json() const {
    return {{"rope_type", "llama3"},
            {"factor", factor},
            {"low_freq_factor", low},
            {"high_freq_factor", high},
            {"original_max_position_embeddings", static_cast<int64_t>(original)}};
  }
};

bool agree(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (std::abs(a[i] - b[i]) > 1e-4f * b[i]) return false;
  return true;
}

// Original contexts that would explain factors made with Meta's low_freq_factor 1 and high_freq_factor 4: Llama 3.1's
// own, and what each frequency that is blended tells.
std::vector<double> guesses(std::span<const float> factors, double factor, double theta, int64_t head_dim) {
  std::vector<double> originals{8192};
  for (size_t i = 0; i < factors.size(); ++i) {
    if (factors[i] <= 1 || factors[i] >= factor) continue;
    const double frequency = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
    const double keep = (1 / static_cast<double>(factors[i]) - 1 / factor) / (1 - 1 / factor);
    originals.push_back(std::round(2 * std::numbers::pi / frequency * (keep * 3 + 1)));
  }
  return originals;
}

// The scaling whose factors these are: as our own converter wrote it down, else with Meta's parameters.
Llama3Scaling recognised(const Gguf& file, double theta, int64_t head_dim) {
  const RawTensor tensor = *file.tensor(kRopeFactors);
  const auto written = file.numbers(kLlama3Key);
  if (written && written->size() != 4)
    fail(ErrorKind::bad_file, "{}: {}: expected 4 numbers, got {}", file.source(), kLlama3Key, written->size());
  if (written && tensor.bytes.empty()) return {(*written)[0], (*written)[1], (*written)[2], (*written)[3]};
  if (tensor.dtype != DType::f32 || tensor.bytes.size() != static_cast<size_t>(head_dim / 2) * 4)
    fail(ErrorKind::bad_file, "{}: {}: expected {} factors in F32, got [{}] of {}", file.source(), kRopeFactors,
         head_dim / 2, fmt::join(tensor.shape, ", "), info(tensor.dtype).name);
  const std::span factors(reinterpret_cast<const float*>(tensor.bytes.data()), static_cast<size_t>(head_dim / 2));
  if (written) {
    const Llama3Scaling scaling{(*written)[0], (*written)[1], (*written)[2], (*written)[3]};
    if (agree(factors, scaling.factors(theta, head_dim))) return scaling;
  }
  const double factor = *std::max_element(factors.begin(), factors.end());
  for (const double original : guesses(factors, factor, theta, head_dim)) {
    const Llama3Scaling scaling{factor, 1, 4, original};
    if (agree(factors, scaling.factors(theta, head_dim))) return scaling;
  }
  if (const Llama3Scaling unblended{factor, 1, 1, 8192}; agree(factors, unblended.factors(theta, head_dim)))
    return unblended;  // Llama 4 Scout's
  fail(ErrorKind::unsupported, "{}: {}: not the factors of Llama 3's RoPE scaling by {}: others are not supported",
       file.source(), kRopeFactors, factor);
}

// Reads the keys of one architecture and remembers which.
class Description {
 public:
  Description(const Gguf& file, const GgufFamily& family)
      : file_(file), prefix_(std::string(family.architecture) + ".") {}

  // A value for each layer that is the same for all stands for one; families whose layers differ are refused by name.
  std::optional<int64_t> integer(std::string_view key) {
    constexpr int64_t kMost = int64_t{1} << 40;  // sums and products of two stay within 64 bits
    const auto value = same_in_every_layer(key, &Gguf::integer, &Gguf::integers);
    if (value && (*value < 0 || *value > kMost))
      fail(ErrorKind::bad_file, "{}: {}{}: expected 0 to {}, got {}", file_.source(), prefix_, key, kMost, *value);
    return value;
  }
  std::optional<double> real(std::string_view key) {
    const auto value = same_in_every_layer(key, &Gguf::number, &Gguf::numbers);
    return value ? std::optional(shortest(*value)) : std::nullopt;
  }
  std::optional<bool> boolean(std::string_view key) { return file_.boolean(named(key)); }
  std::optional<std::string> string(std::string_view key) { return file_.string(named(key)); }
  const GgufValue* value(std::string_view key) { return file_.find(named(key)); }

  int64_t needed(std::string_view key) {
    if (const auto found = integer(key)) return *found;
    fail(ErrorKind::bad_file, "{}: expected a key {}{}, found none", file_.source(), prefix_, key);
  }

  // A number that other keys or the tensors already say: it may be missing, and must not differ.
  void same(std::string_view key, int64_t expected) {
    if (const auto found = integer(key); found && *found != expected)
      fail(ErrorKind::unsupported, "{}: {}{}: expected {}, got {}", file_.source(), prefix_, key, expected, *found);
  }

  // Refuses what nobody read, unless it says nothing: 0, false or "".
  void finish() const {
    for (const auto& [key, value] : file_.metadata()) {
      if (!key.starts_with(prefix_) || used_.contains(key)) continue;
      if (value.number() == 0.0 || value.boolean() == false || value.string() == "") continue;
      fail(ErrorKind::unsupported, "{}: {}: {} is not supported", file_.source(), quote(key), value.text());
    }
  }

 private:
  const std::string& named(std::string_view key) { return *used_.insert(prefix_ + std::string(key)).first; }

  template <class T>
  std::optional<T> same_in_every_layer(std::string_view key, std::optional<T> (Gguf::*one)(std::string_view) const,
                                       std::optional<std::vector<T>> (Gguf::*all)(std::string_view) const) {
    const std::string& name = named(key);
    const GgufValue* value = file_.find(name);
    if (!value || value->type() != GgufType::array) return (file_.*one)(name);
    const std::vector<T> each = *(file_.*all)(name);
    const auto layers = file_.integer(prefix_ + "block_count");
    if (each.empty() || static_cast<int64_t>(each.size()) != layers)
      fail(ErrorKind::bad_file, "{}: {}: expected a number, or one for each of the {} layers, got {}", file_.source(),
           name, layers.value_or(0), each.size());
    if (const auto other = std::ranges::find_if(each, [&](const T& v) { return !(v == each[0]); }); other != each.end())
      fail(ErrorKind::unsupported,
           "{}: {}: {} in layer 0 and {} in layer {}: layers that differ in it are not supported", file_.source(), name,
           each[0], *other, other - each.begin());
    return each[0];
  }

  const Gguf& file_;
  std::string prefix_;
  std::set<std::string> used_;
};

// Which layers look through a window, as GGUF says it: a list of bools, or the family's rule.
Json layer_types(Description& from, int64_t layers, int64_t period, int64_t full) {
  Json types = Json::array();
  std::vector<bool> sliding;
  if (const GgufValue* pattern = from.value("attention.sliding_window_pattern")) {
    if (const auto parts = pattern->parts()) {
      for (const GgufValue& part : *parts) sliding.push_back(part.boolean().value_or(part.integer().value_or(0) != 0));
    } else if (const auto number = pattern->integer(); number && *number > 0) {
      period = *number;
      full = *number - 1;
    }
  }
  for (int64_t i = 0; i < layers; ++i) {
    const bool slides = static_cast<size_t>(i) < sliding.size() ? sliding[static_cast<size_t>(i)] : i % period != full;
    types.push_back(slides ? "sliding_attention" : "full_attention");
  }
  return types;
}

// What YaRN scales rotated values by if nothing else is said.
double yarn_scale(double factor) { return yarn_mscale(factor, 1); }
// And what is said.
double yarn_attention(const Json& scaling, double factor) {
  const auto number = [&](const char* key) {
    const Json value = scaling.value(key, Json());
    return value.is_number() ? value.get<double>() : 0.0;
  };
  if (const double said = number("attention_factor"); said > 0) return said;
  const double of = number("mscale"), by = number("mscale_all_dim");
  return of > 0 && by > 0 ? yarn_mscale(factor, of) / yarn_mscale(factor, by) : yarn_scale(factor);
}

void read_rope(Description& from, const Gguf& file, std::string_view model_type, int64_t head_dim, Json& config) {
  from.same("rope.dimension_count", head_dim);
  const double theta = from.real("rope.freq_base").value_or(10000.0);
  config["rope_theta"] = theta;
  const std::string type = from.string("rope.scaling.type").value_or("none");
  const auto factor = from.real("rope.scaling.factor");
  from.boolean("rope.scaling.finetuned");
  if (type == "linear") {
    config["rope_scaling"] = {{"rope_type", "linear"}, {"factor", factor.value_or(1.0)}};
  } else if (type == "yarn") {
    Json scaling = {{"rope_type", "yarn"}, {"factor", factor.value_or(1.0)}};
    if (const auto original = from.integer("rope.scaling.original_context_length"))
      scaling["original_max_position_embeddings"] = *original;
    if (const auto fast = from.real("rope.scaling.yarn_beta_fast")) scaling["beta_fast"] = *fast;
    if (const auto slow = from.real("rope.scaling.yarn_beta_slow")) scaling["beta_slow"] = *slow;
    const auto attention = from.real("rope.scaling.yarn_attn_factor"), more = from.real("rope.scaling.attn_factor");
    if (attention)
      scaling["attention_factor"] = *attention;
    else if (more && *more != 1)  // beyond YaRN's own
      scaling["attention_factor"] = shortest(static_cast<float>(*more * yarn_scale(factor.value_or(1.0))));
    // A tenth of mscale_all_dim; llama.cpp takes mscale to be the same.
    const auto tenth = is_latent(model_type) ? from.real("rope.scaling.yarn_log_multiplier") : std::nullopt;
    if (tenth) scaling["mscale"] = scaling["mscale_all_dim"] = shortest(static_cast<float>(*tenth * 10));
    if (model_type == "gpt_oss") scaling["truncate"] = false;  // published so; GGUF does not say
    config["rope_scaling"] = std::move(scaling);
  } else if (type != "none") {
    fail(ErrorKind::unsupported, "{}: rope.scaling.type: expected none, linear or yarn, got {}", file.source(),
         quote(type));
  }
  if (!file.tensor(kRopeFactors)) return;
  if (type != "none")
    fail(ErrorKind::unsupported, "{}: both {} and rope.scaling.type {}", file.source(), kRopeFactors, quote(type));
  config["rope_scaling"] = recognised(file, theta, head_dim).json();
}

// The configuration of the text, where a model is more.
Json text_of(const Json& config, const GgufFamily& family) {
  return family.prefix.empty() ? config : config.value("text_config", Json::object());
}

int64_t whole(const Json& config, const char* key, const std::string& source) {
  const auto found = config.find(key);
  if (found == config.end() || !found->is_number_integer())
    fail(ErrorKind::bad_file, "{}: {}: expected a whole number, got {}", source, key,
         found == config.end() ? "nothing" : brief(*found));
  return found->get<int64_t>();
}

int64_t head_dim_of(const Json& config, const std::string& source) {
  if (config.contains("head_dim") && !config["head_dim"].is_null()) return whole(config, "head_dim", source);
  const int64_t heads = whole(config, "num_attention_heads", source);
  if (heads <= 0) fail(ErrorKind::bad_file, "{}: num_attention_heads: expected at least 1, got {}", source, heads);
  return whole(config, "hidden_size", source) / heads;
}

// DeepSeek: sizes of heads, and how experts are chosen. GGUF says one key/value head, as the latent is one, and 1 + 1
// layers where the last of them drafts.
void read_latent(Description& from, const Gguf& file, std::string_view type, Json& config) {
  const int64_t rope = from.needed("rope.dimension_count");
  const auto key = from.integer("attention.key_length_mla"), value = from.integer("attention.value_length_mla");
  const int64_t whole_key = key ? *key : from.needed("attention.key_length");
  config["qk_rope_head_dim"] = rope;
  config["qk_nope_head_dim"] = whole_key - rope;
  config["v_head_dim"] = value ? *value : from.needed("attention.value_length");
  if (const int64_t rank = from.integer("attention.q_lora_rank").value_or(0); rank > 0) config["q_lora_rank"] = rank;
  config["num_key_value_heads"] = config["num_attention_heads"];
  config["attention_bias"] = file.tensor("blk.0.attn_kv_a_mqa.bias").has_value();
  const int64_t gating = from.integer("expert_gating_func").value_or(is_deepseek_v3(type) ? kSigmoid : kSoftmax);
  if (gating != (is_deepseek_v3(type) ? kSigmoid : kSoftmax))
    fail(ErrorKind::unsupported, "{}: deepseek2.expert_gating_func: expected {}, got {}", file.source(),
         is_deepseek_v3(type) ? kSigmoid : kSoftmax, gating);
  if (is_deepseek_v3(type)) {
    config["scoring_func"] = "sigmoid";
    config["topk_method"] = "noaux_tc";
    if (!config.contains("norm_topk_prob")) config["norm_topk_prob"] = false;
    for (const auto& [name, none] : {std::pair{"n_group", 1}, std::pair{"topk_group", 1}})
      if (!config.contains(name)) config[name] = none;
    if (!config.contains("routed_scaling_factor")) config["routed_scaling_factor"] = 1.0;
  } else {
    config["topk_method"] = config.value("n_group", 1) > 1 ? "group_limited_greedy" : "greedy";
    if (config.value("norm_topk_prob", false))
      fail(ErrorKind::unsupported, "{}: deepseek2.expert_weights_norm: DeepSeek-V2's are not", file.source());
    config.erase("norm_topk_prob");
  }
  if (const int64_t drafts = from.integer("nextn_predict_layers").value_or(0); drafts > 0) {
    const auto layers = config["num_hidden_layers"].get<int64_t>();
    if (drafts >= layers)
      fail(ErrorKind::bad_file, "{}: deepseek2.nextn_predict_layers: expected less than {} blocks, got {}",
           file.source(), layers, drafts);
    config["num_nextn_predict_layers"] = drafts;
    config["num_hidden_layers"] = layers - drafts;
  }
}

// What the tensors and keys of one family say beyond its table.
void read_special(Description& from, const Gguf& file, const GgufFamily& family, Json& config) {
  const std::string_view type = family.model_type;
  const auto layers = config["num_hidden_layers"].get<int64_t>();
  const bool attention_bias = file.tensor("blk.0.attn_q.bias").has_value();
  if (is_gemma(type)) {
    config["hidden_act"] = config["hidden_activation"] = "gelu_pytorch_tanh";
    // As llama.cpp does: the largest of either divides by the width a head would have, the others by the head's own.
    const bool largest = layers == (type == "gemma2" ? 46 : 62);
    config["query_pre_attn_scalar"] =
        largest ? config["hidden_size"].get<int64_t>() / config["num_attention_heads"].get<int64_t>()
                : config["head_dim"].get<int64_t>();
    config["layer_types"] = type == "gemma2" ? layer_types(from, layers, 2, 1) : layer_types(from, layers, 6, 5);
    if (type != "gemma2") config["rope_local_base_freq"] = from.real("rope.freq_base_swa").value_or(10000.0);
    if (!config.contains("attn_logit_softcapping")) config["attn_logit_softcapping"] = nullptr;
    if (!config.contains("final_logit_softcapping")) config["final_logit_softcapping"] = nullptr;
  } else {
    config["hidden_act"] = "silu";
  }
  if (type == "llama" || type == "qwen3" || type == "qwen3_moe" || type == "olmo" || type == "olmo2" ||
      type == "olmo3" || type == "olmoe" || type == "smollm3")
    config["attention_bias"] = attention_bias;
  if (type == "llama" || type == "smollm3") config["mlp_bias"] = file.tensor("blk.0.ffn_down.bias").has_value();
  if (type == "olmo3") {
    config["layer_types"] = layer_types(from, layers, 4, 3);
    if (const auto local = from.real("rope.freq_base_swa"); local && *local != config["rope_theta"].get<double>())
      fail(ErrorKind::unsupported, "{}: olmo2.rope.freq_base_swa: expected {} as rope.freq_base, got {}", file.source(),
           config["rope_theta"].get<double>(), *local);
  }
  if (type == "olmo") from.real("attention.layer_norm_epsilon");  // 1e-5, as the family has it
  if (type == "smollm3") {
    config["no_rope_layers"] = Json::array();
    for (int64_t i = 0; i < layers; ++i) config["no_rope_layers"].push_back((i + 1) % 4 != 0 ? 1 : 0);
  }
  if (type == "qwen3_moe") {
    config["norm_topk_prob"] = true;
    config["decoder_sparse_step"] = 1;
    config["mlp_only_layers"] = Json::array();
  }
  if (type == "olmoe") config["norm_topk_prob"] = false;
  if (type == "gpt_oss") {
    config["attention_bias"] = attention_bias;
    config["layer_types"] = layer_types(from, layers, 2, 1);
    from.same("expert_feed_forward_length", whole(config, "intermediate_size", file.source()));
  }
  if (is_llama4(type)) {
    config["attention_bias"] = attention_bias;
    const Json turns = turning_layers(config);
    config["no_rope_layers"] = turns;
    const Json kinds = layer_types(from, layers, 4, 3);
    config["layer_types"] = Json::array();
    for (const Json& kind : kinds)
      config["layer_types"].push_back(kind == "sliding_attention" ? "chunked_attention" : "full_attention");
    config["moe_layers"] = mixture_layers(config);
    if (config.value("num_local_experts", 0) == 128) config["use_qk_norm"] = false;  // llama.cpp knows it by that
  }
  if (is_latent(type)) read_latent(from, file, type, config);
}

// kOwnConfig, checked.
Json own_config(const Gguf& file) {
  const auto text = file.string(kOwnConfig);
  if (!text) return Json::object();
  const std::string where = fmt::format("{}: {}", file.source(), kOwnConfig);
  if (text->size() > kMaxConfig) fail(ErrorKind::bad_file, "{}: {} bytes are too many", where, text->size());
  Json own = parse_json(*text, where);
  if (!own.is_object()) fail(ErrorKind::bad_file, "{}: expected an object, got {}", where, brief(own));
  for (const auto& [key, value] : own.items())
    if (std::ranges::find(kOwnKeys, key) == std::end(kOwnKeys))
      fail(ErrorKind::unsupported, "{}: {} is not supported", where, quote(key));
  return own;
}

// GGUF calls some families by one name ("llama" four): what the file has tells which.
std::string_view model_type_of(const Gguf& file, std::string_view architecture) {
  const Json said = own_config(file).value("model_type", Json());
  for (const GgufFamily& family : gguf_families())
    if (family.architecture == architecture && said == family.model_type) return family.model_type;
  if (architecture == "deepseek2") {
    const auto gating = file.integer("deepseek2.expert_gating_func");
    // Without the key: V3's experts have a bias, behind the dense layers.
    const int64_t dense = file.integer("deepseek2.leading_dense_block_count").value_or(0);
    const bool biased = file.tensor(fmt::format("blk.{}.exp_probs_b.bias", dense)).has_value();
    return gating ? *gating == kSigmoid ? "deepseek_v3" : "deepseek_v2" : biased ? "deepseek_v3" : "deepseek_v2";
  }
  if (architecture == "llama") {
    if (file.integer("llama.expert_count").value_or(0) > 0) return "mixtral";
    return file.integer("llama.attention.sliding_window").value_or(0) > 0 ? "mistral" : "llama";
  }
  if (architecture == "olmo2")
    return file.integer("olmo2.attention.sliding_window").value_or(0) > 0 ? "olmo3" : "olmo2";
  for (const GgufFamily& family : gguf_families())
    if (family.architecture == architecture) return family.model_type;
  return {};
}

}  // namespace

const GgufFamily& gguf_family(const Gguf& file) {
  if (const auto parts = file.integer("split.count"); parts && *parts > 1)
    fail(ErrorKind::bad_file, "{}: one of {} parts of a model, without the others", file.source(), *parts);
  const auto architecture = file.string("general.architecture");
  if (!architecture) fail(ErrorKind::bad_file, "{}: expected a key general.architecture, found none", file.source());
  const GgufFamily* family = gguf_family_of_model_type(model_type_of(file, *architecture));
  if (family) return *family;
  std::set<std::string_view> known;
  for (const GgufFamily& one : gguf_families()) known.insert(one.architecture);
  fail(ErrorKind::unsupported, "{}: architecture {} is not supported; this build reads {}", file.source(),
       quote(*architecture), fmt::join(known, ", "));
}

Json gguf_config(const Gguf& file) {
  const GgufFamily& family = gguf_family(file);
  Description from(file, family);
  const std::string_view type = family.model_type;
  Json config = {{"architectures", {class_of(type)}}, {"model_type", type}};
  for (const auto rules : family.keys)
    for (const GgufKeyRule& rule : rules) {
      if (rule.kind == Kind::integer) {
        if (const auto value = from.integer(rule.gguf)) config[std::string(rule.config)] = *value;
      } else if (rule.kind == Kind::real) {
        if (const auto value = from.real(rule.gguf)) config[std::string(rule.config)] = *value;
      } else if (const auto value = from.boolean(rule.gguf)) {
        config[std::string(rule.config)] = *value;
      }
    }
  const int64_t heads = from.needed("attention.head_count"), width = from.needed("embedding_length");
  constexpr int64_t kMostLayers = 4096;
  if (const int64_t layers = from.needed("block_count"); layers < 1 || layers > kMostLayers)
    fail(ErrorKind::bad_file, "{}: block_count: expected 1 to {}, got {}", file.source(), kMostLayers, layers);
  if (heads <= 0)
    fail(ErrorKind::bad_file, "{}: attention.head_count: expected at least 1, got {}", file.source(), heads);
  int64_t head_dim = from.integer("rope.dimension_count").value_or(width / heads);
  if (!is_latent(type)) {
    head_dim = from.integer("attention.key_length").value_or(head_dim);
    from.same("attention.value_length", head_dim);
    config["head_dim"] = head_dim;
  } else if (const int64_t rank = from.needed("attention.kv_lora_rank");
             from.integer("attention.key_length_mla").has_value()) {
    from.same("attention.key_length", rank + head_dim);
    from.same("attention.value_length", rank);
  }
  if (!config.contains("num_key_value_heads")) config["num_key_value_heads"] = heads;

  const auto embedding = file.tensor("token_embd.weight");
  if (!embedding || embedding->shape.size() != 2)
    fail(ErrorKind::bad_file, "{}: expected a matrix token_embd.weight: only a vocabulary?", file.source());
  config["vocab_size"] = embedding->shape[0];
  from.same("vocab_size", embedding->shape[0]);
  config["tie_word_embeddings"] = !file.tensor("output.weight").has_value();

  read_rope(from, file, type, head_dim, config);
  read_special(from, file, family, config);
  for (const char* id : {"bos", "eos", "padding"})
    if (const auto value = file.integer(fmt::format("tokenizer.ggml.{}_token_id", id)))
      config[fmt::format("{}_token_id", id == std::string_view("padding") ? "pad" : id)] = *value;
  from.finish();
  const Json own = own_config(file);
  if (std::ranges::any_of(kRopeKeys, [&](const char* key) { return own.contains(key); }))
    for (const char* key : kRopeKeys) config.erase(key);
  for (const auto& [key, value] : own.items()) {
    if (key == "model_type") continue;
    if (value.is_null())
      config.erase(key);
    else
      config[key] = value;
  }
  if (family.prefix.empty()) return config;
  config["model_type"] = std::string(type) + "_text";
  config["architectures"] = {class_of(config["model_type"].get<std::string>())};
  return {{"architectures", {class_of(type)}}, {"model_type", type}, {"text_config", std::move(config)}};
}

Json gguf_generation_config(const Gguf& file) {
  Json generation = Json::object();
  std::set<int64_t> ends;
  for (const char* name : {"eos", "eot", "eom"})
    if (const auto id = file.integer(fmt::format("tokenizer.ggml.{}_token_id", name)); id && *id >= 0) ends.insert(*id);
  if (ends.size() == 1) generation["eos_token_id"] = *ends.begin();
  if (ends.size() > 1) generation["eos_token_id"] = ends;
  if (const auto id = file.integer("tokenizer.ggml.bos_token_id")) generation["bos_token_id"] = *id;
  if (const auto id = file.integer("tokenizer.ggml.padding_token_id")) generation["pad_token_id"] = *id;
  const auto sampling = [&](const char* gguf, const char* key) {
    if (const auto value = file.number(fmt::format("general.sampling.{}", gguf))) generation[key] = shortest(*value);
  };
  sampling("temp", "temperature");
  sampling("top_p", "top_p");
  sampling("min_p", "min_p");
  if (const auto top_k = file.integer("general.sampling.top_k")) generation["top_k"] = *top_k;
  return generation;
}

Json own_keys(const Json& config, const Gguf& planned, const std::string& source,
              std::span<const std::string> ignore_keys) {
  const GgufFamily& family = *gguf_family_of_model_type(config.value("model_type", ""));
  Json own = Json::object();
  if (&gguf_family(planned) != &family) own["model_type"] = family.model_type;
  const Json text = text_of(config, family), again = gguf_config(planned);
  Json meant = comparable(with_defaults(text, family.model_type)),
       got = comparable(text_of(again, gguf_family(planned)));
  for (Json* one : {&meant, &got})
    for (const char* key : {"model_type", "architectures"}) one->erase(key);
  const auto say = [&](const std::string& key, const Json& value) {
    if (value != false) {  // what is false here is true by default
      try {
        Config(Json{{key, value}}, source, ignore_keys).finish();
        return;  // changes nothing, whatever it is
      } catch (const Error&) {}
    }
    if (std::ranges::find(kOwnKeys, key) == std::end(kOwnKeys))
      fail(ErrorKind::unsupported, "{}: {}: GGUF has no place for {}", source, key, brief(value));
    if (std::ranges::find(kRopeKeys, key) == std::end(kRopeKeys)) {
      own[key] = text.contains(key) ? text[key] : meant.value(key, Json());
      return;
    }
    for (const char* each : kRopeKeys)
      if (text.contains(each)) own[each] = text[each];
  };
  for (const auto& [key, value] : meant.items())
    if (!got.contains(key) || !same_value(value, got[key]))
      say(key == "rope_scaling_of_windows" ? "rope_parameters" : key, value);
  for (const auto& [key, value] : got.items())
    if (!meant.contains(key)) say(key, value);
  return own;
}

std::vector<std::string> beyond_gguf(const Gguf& file) {
  std::vector<std::string> keys;
  const Json own = own_config(file);
  for (const auto& [key, value] : own.items())
    if (!value.is_null() && key != "model_type" && key != "num_nextn_predict_layers") keys.push_back(key);
  // Written under the name other architectures have for it; llama.cpp's llama has no windows.
  if (file.integer("llama.attention.sliding_window").value_or(0) > 0) keys.emplace_back("sliding_window");
  return keys;
}

std::vector<float> gguf_rope_factors(const Json& config) {
  const GgufFamily* family = gguf_family_of_model_type(config.value("model_type", ""));
  const Json text = family ? text_of(config, *family) : config, rope = plain_rope(text);
  if (!rope.contains("rope_scaling") || rope["rope_scaling"]["rope_type"] != "llama3") return {};
  const Json& scaling = rope["rope_scaling"];
  return Llama3Scaling{scaling.value("factor", 8.0), scaling.value("low_freq_factor", 1.0),
                       scaling.value("high_freq_factor", 4.0),
                       scaling.value("original_max_position_embeddings", 8192.0)}
      .factors(rope["rope_theta"].get<double>(), head_dim_of(text, "config.json"));
}

std::vector<GgufEntry> gguf_metadata(const Json& whole_config, const std::string& source, int64_t drafts) {
  const std::string model_type = whole_config.value("model_type", "");
  const GgufFamily* family = gguf_family_of_model_type(model_type);
  if (!family) fail(ErrorKind::unsupported, "{}: model_type {} cannot be written as GGUF", source, quote(model_type));
  Json config = with_defaults(text_of(whole_config, *family), model_type);
  if (is_latent(model_type)) {
    config["num_key_value_heads"] = 1;  // the latent
    config["num_hidden_layers"] = whole(config, "num_hidden_layers", source) + drafts;
  }
  std::vector<GgufEntry> entries{{"general.architecture", GgufValue::of(family->architecture)}};
  const auto add = [&](std::string_view key, GgufValue value) {
    entries.push_back({fmt::format("{}.{}", family->architecture, key), std::move(value)});
  };
  for (const auto rules : family->keys)
    for (const GgufKeyRule& rule : rules) {
      auto found = config.find(std::string(rule.config));
      if (found == config.end() && (rule.config == "num_experts" || rule.config == "n_routed_experts"))
        found = config.find("num_local_experts");
      if (found == config.end() && rule.config == "num_local_experts") found = config.find("num_experts");
      if (found == config.end() || found->is_null()) continue;
      if (rule.kind == Kind::integer) {
        const int64_t value = whole(config, found.key().c_str(), source);
        if (value < 0 || value > std::numeric_limits<uint32_t>::max())
          fail(ErrorKind::unsupported, "{}: {}: {} does not fit GGUF's 32 bits", source, rule.config, value);
        add(rule.gguf, GgufValue::of(static_cast<uint32_t>(value)));
      } else if (rule.kind == Kind::real && found->is_number()) {
        add(rule.gguf, GgufValue::of(static_cast<float>(found->get<double>())));
      } else if (rule.kind == Kind::boolean && found->is_boolean()) {
        add(rule.gguf, GgufValue::of(found->get<bool>()));
      } else {
        fail(ErrorKind::bad_file, "{}: {}: expected a number, got {}", source, rule.config, brief(*found));
      }
    }
  const auto size = [&](const char* key) { return static_cast<uint32_t>(whole(config, key, source)); };
  add("vocab_size", GgufValue::of(size("vocab_size")));
  if (is_latent(model_type)) {
    const uint32_t rope = size("qk_rope_head_dim"), rank = size("kv_lora_rank");
    add("rope.dimension_count", GgufValue::of(rope));
    add("attention.key_length", GgufValue::of(rank + rope));
    add("attention.value_length", GgufValue::of(rank));
    add("attention.key_length_mla", GgufValue::of(size("qk_nope_head_dim") + rope));
    add("attention.value_length_mla", GgufValue::of(size("v_head_dim")));
    const bool direct = config.value("q_lora_rank", Json()).is_null();
    add("attention.q_lora_rank", GgufValue::of(direct ? 0u : size("q_lora_rank")));
    add("expert_gating_func", GgufValue::of(is_deepseek_v3(model_type) ? kSigmoid : kSoftmax));
    if (drafts > 0) add("nextn_predict_layers", GgufValue::of(static_cast<uint32_t>(drafts)));
  } else {
    const auto head_dim = static_cast<uint32_t>(head_dim_of(config, source));
    add("rope.dimension_count", GgufValue::of(head_dim));
    add("attention.key_length", GgufValue::of(head_dim));
    add("attention.value_length", GgufValue::of(head_dim));
  }
  if (model_type == "gpt_oss") add("expert_feed_forward_length", GgufValue::of(size("intermediate_size")));
  if (model_type == "olmo") add("attention.layer_norm_epsilon", GgufValue::of(1e-5f));

  const Json rope = plain_rope(config);
  if (!rope["rope_theta"].is_number())
    fail(ErrorKind::bad_file, "{}: rope_theta: expected a number, got {}", source, brief(rope["rope_theta"]));
  add("rope.freq_base", GgufValue::of(static_cast<float>(rope["rope_theta"].get<double>())));
  if (rope.contains("rope_local_base_freq"))
    add("rope.freq_base_swa", GgufValue::of(rope["rope_local_base_freq"].get<float>()));
  if (rope.contains("rope_scaling")) {
    const Json& scaling = rope["rope_scaling"];
    const Json type = scaling.value("rope_type", Json());
    const auto real = [&](const char* key, std::string_view name) {
      if (scaling.contains(key) && scaling[key].is_number())
        add(name, GgufValue::of(static_cast<float>(scaling[key].get<double>())));
    };
    if (type == "linear" || type == "yarn") {
      add("rope.scaling.type", GgufValue::of(type.get<std::string>()));
      real("factor", "rope.scaling.factor");
      if (type == "yarn") {
        add("rope.scaling.original_context_length",
            GgufValue::of(static_cast<uint32_t>(whole(scaling, "original_max_position_embeddings", source))));
        real("beta_fast", "rope.scaling.yarn_beta_fast");
        real("beta_slow", "rope.scaling.yarn_beta_slow");
        real("attention_factor", "rope.scaling.yarn_attn_factor");
        const double factor = scaling.value("factor", 1.0), own = yarn_scale(factor);
        if (is_latent(model_type)) {
          if (scaling.value("mscale_all_dim", Json()).is_number())
            add("rope.scaling.yarn_log_multiplier",
                GgufValue::of(static_cast<float>(0.1 * scaling["mscale_all_dim"].get<double>())));
        } else if (const double scale = yarn_attention(scaling, factor); scale != own) {
          add("rope.scaling.attn_factor", GgufValue::of(static_cast<float>(scale / own)));
        }
      }
    } else if (type == "llama3") {
      std::vector<float> numbers;
      for (const char* key : {"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"}) {
        if (!scaling.contains(key) || !scaling[key].is_number())
          fail(ErrorKind::bad_file, "{}: rope_scaling.{}: expected a number", source, key);
        numbers.push_back(scaling[key].get<float>());
      }
      entries.push_back({std::string(kLlama3Key), GgufValue::array(numbers)});
    } else {
      fail(ErrorKind::unsupported, "{}: RoPE scaling {} cannot be written as GGUF", source, brief(type));
    }
  }
  // Other families' windows llama.cpp does not know: a key of ours says them.
  const bool has_pattern =
      is_gemma(model_type) || model_type == "gpt_oss" || model_type == "olmo3" || is_llama4(model_type);
  if (const Json types = layer_types_of(config); has_pattern && !types.is_null()) {
    std::vector<GgufValue> sliding;
    bool any = false;
    for (const Json& type : types) {
      sliding.push_back(GgufValue::of(type == "sliding_attention" || type == "chunked_attention"));
      any |= type == "sliding_attention" || type == "chunked_attention";
    }
    if (any) add("attention.sliding_window_pattern", GgufValue::array(GgufType::boolean, sliding));
  }
  return entries;
}

}  // namespace glassbox
