#include "formats/gguf_config.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <set>

#include "base/error.h"
#include "formats/config.h"
#include "formats/quote.h"

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
  if (model_type == "llama") return "LlamaForCausalLM";
  if (model_type == "mistral") return "MistralForCausalLM";
  if (model_type == "mixtral") return "MixtralForCausalLM";
  if (model_type == "smollm3") return "SmolLM3ForCausalLM";
  if (model_type == "qwen2") return "Qwen2ForCausalLM";
  if (model_type == "qwen3") return "Qwen3ForCausalLM";
  if (model_type == "qwen3_moe") return "Qwen3MoeForCausalLM";
  if (model_type == "olmo") return "OlmoForCausalLM";
  if (model_type == "olmo2") return "Olmo2ForCausalLM";
  if (model_type == "olmo3") return "Olmo3ForCausalLM";
  if (model_type == "olmoe") return "OlmoeForCausalLM";
  if (model_type == "gemma2") return "Gemma2ForCausalLM";
  return "Gemma3ForCausalLM";
}

bool is_gemma(std::string_view model_type) { return model_type.starts_with("gemma"); }

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
  fail(ErrorKind::unsupported, "{}: {}: not the factors of Llama 3's RoPE scaling by {}: others are not supported",
       file.source(), kRopeFactors, factor);
}

// Reads the keys of one architecture and remembers which.
class Description {
 public:
  Description(const Gguf& file, const GgufFamily& family)
      : file_(file), prefix_(std::string(family.architecture) + ".") {}

  std::optional<int64_t> integer(std::string_view key) { return file_.integer(named(key)); }
  std::optional<double> real(std::string_view key) {
    const auto value = file_.number(named(key));
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

void read_rope(Description& from, const Gguf& file, int64_t head_dim, Json& config) {
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
    if (const auto attention = from.real("rope.scaling.yarn_attn_factor")) scaling["attention_factor"] = *attention;
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

// {"rope_theta", "rope_scaling"} of either spelling of config.json, without what says nothing.
Json plain_rope(const Json& config) {
  Json rope = Json::object();
  const Json parameters = config.value("rope_parameters", Json()), old = config.value("rope_scaling", Json());
  Json scaling = parameters.is_object() ? parameters : old.is_object() ? old : Json::object();
  rope["rope_theta"] = config.value("rope_theta", Json(10000.0));
  if (const Json local = config.value("rope_local_base_freq", Json()); local.is_number())
    rope["rope_local_base_freq"] = local;
  if (scaling.contains("full_attention") && scaling["full_attention"].is_object()) {  // settings by kind of layer
    const Json sliding = scaling.value("sliding_attention", Json::object());
    const Json theta = sliding.is_object() ? sliding.value("rope_theta", Json()) : Json();
    scaling = Json(scaling["full_attention"]);
    if (!theta.is_null() && theta != scaling.value("rope_theta", Json())) rope["rope_local_base_freq"] = theta;
    if (sliding.is_object() && sliding.value("rope_type", "default") != "default")
      rope["rope_scaling_of_windows"] = sliding;  // GGUF has no place for it
  }
  if (scaling.contains("rope_theta")) {
    rope["rope_theta"] = scaling["rope_theta"];
    scaling.erase("rope_theta");
  }
  if (scaling.contains("type")) {
    scaling["rope_type"] = scaling["type"];
    scaling.erase("type");
  }
  if (scaling.value("rope_type", Json("default")) != "default") rope["rope_scaling"] = std::move(scaling);
  return rope;
}

// layer_types, or what Gemma 3's sliding_window_pattern says of it: every so many layers one sees all.
Json layer_types_of(const Json& config) {
  if (config.contains("layer_types") && config["layer_types"].is_array()) return config["layer_types"];
  const Json period = config.value("sliding_window_pattern", Json()),
             layers = config.value("num_hidden_layers", Json());
  if (!period.is_number_integer() || !layers.is_number_integer() || period.get<int64_t>() < 1) return {};
  Json types = Json::array();
  for (int64_t i = 0; i < std::min<int64_t>(layers.get<int64_t>(), 4096); ++i)
    types.push_back((i + 1) % period.get<int64_t>() == 0 ? "full_attention" : "sliding_attention");
  return types;
}

// What is left of a config.json once keys that do not change the model, or that say it by default, are gone.
Json comparable(Json config) {
  Json kept = plain_rope(config);
  if (const Json types = layer_types_of(config); !types.is_null()) config["layer_types"] = types;
  for (const char* key : {"rope_theta", "rope_scaling", "rope_parameters", "rope_local_base_freq"}) config.erase(key);
  const auto whole = [](const Json& value) {  // 1.0 and 1 are the same number
    return value.is_number_float() && std::trunc(value.get<double>()) == value.get<double>() &&
           std::abs(value.get<double>()) < 1e15;
  };
  for (auto& [key, value] : config.items()) {
    if (value.is_null() || value == false) continue;
    kept[key] = whole(value) ? Json(static_cast<int64_t>(value.get<double>())) : value;
  }
  for (const char* name : {"num_experts", "n_routed_experts"})  // transformers 5 spells some anew
    if (kept.contains(name)) {
      kept["num_local_experts"] = kept[name];
      kept.erase(name);
    }
  // What says nothing: no layer looks through a window, all keys of a layer turn, no layer is dense.
  if (kept.contains("layer_types") &&
      std::ranges::all_of(kept["layer_types"], [](const Json& type) { return type == "full_attention"; }))
    for (const char* key : {"layer_types", "max_window_layers", "sliding_window"}) kept.erase(key);
  if (!kept.contains("sliding_window")) kept.erase("max_window_layers");
  if (kept.contains("mlp_only_layers") && kept["mlp_only_layers"].empty()) kept.erase("mlp_only_layers");
  for (const char* key : {"no_rope_layer_interval", "_sliding_window_pattern", "sliding_window_pattern",
                          "router_aux_loss_coef", "router_jitter_noise"})
    kept.erase(key);  // of training, or what the lists above were made of
  if (!kept.contains("head_dim") && kept.contains("hidden_size") && kept.contains("num_attention_heads") &&
      kept["num_attention_heads"] != 0)
    kept["head_dim"] = kept["hidden_size"].get<int64_t>() / kept["num_attention_heads"].get<int64_t>();
  return kept;
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
    if (type == "gemma3_text") config["rope_local_base_freq"] = from.real("rope.freq_base_swa").value_or(10000.0);
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
}

// GGUF calls four families "llama" and two "olmo2": what the file has tells which.
std::string_view model_type_of(const Gguf& file, std::string_view architecture) {
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
    fail(ErrorKind::unsupported, "{}: one of {} parts of a model: files in parts are not supported", file.source(),
         *parts);
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
  Json config = {{"architectures", {class_of(family.model_type)}}, {"model_type", family.model_type}};
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
  from.needed("block_count");
  if (heads <= 0)
    fail(ErrorKind::bad_file, "{}: attention.head_count: expected at least 1, got {}", file.source(), heads);
  const int64_t head_dim =
      from.integer("attention.key_length").value_or(from.integer("rope.dimension_count").value_or(width / heads));
  from.same("attention.value_length", head_dim);
  config["head_dim"] = head_dim;
  if (!config.contains("num_key_value_heads")) config["num_key_value_heads"] = heads;

  const auto embedding = file.tensor("token_embd.weight");
  if (!embedding || embedding->shape.size() != 2)
    fail(ErrorKind::bad_file, "{}: expected a matrix token_embd.weight: only a vocabulary?", file.source());
  config["vocab_size"] = embedding->shape[0];
  from.same("vocab_size", embedding->shape[0]);
  config["tie_word_embeddings"] = !file.tensor("output.weight").has_value();

  read_rope(from, file, head_dim, config);
  read_special(from, file, family, config);
  for (const char* id : {"bos", "eos", "padding"})
    if (const auto value = file.integer(fmt::format("tokenizer.ggml.{}_token_id", id)))
      config[fmt::format("{}_token_id", id == std::string_view("padding") ? "pad" : id)] = *value;
  from.finish();
  return config;
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

namespace {

bool same_value(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) return a.get<float>() == b.get<float>();  // GGUF holds float32
  if (a.is_structured() && a.type() == b.type()) {
    if (a.size() != b.size()) return false;
    if (a.is_array()) return std::equal(a.begin(), a.end(), b.begin(), same_value);
    for (const auto& [key, value] : a.items())
      if (!b.contains(key) || !same_value(value, b[key])) return false;
    return true;
  }
  return a == b;
}

}  // namespace

void check_same_model(const Json& config, const Json& again, const std::string& source,
                      std::span<const std::string> ignore_keys) {
  const Json meant = comparable(config), got = comparable(again);
  Json differ = Json::object();
  for (const auto& [key, value] : meant.items())
    if (!got.contains(key) || !same_value(value, got[key])) differ[key] = value;
  try {
    Config(differ, source, ignore_keys).finish();
  } catch (const Error& error) { fail(ErrorKind::unsupported, "{} (GGUF has no place for it)", error.what()); }
}

std::vector<float> gguf_rope_factors(const Json& config) {
  const Json rope = plain_rope(config);
  if (!rope.contains("rope_scaling") || rope["rope_scaling"]["rope_type"] != "llama3") return {};
  const Json& scaling = rope["rope_scaling"];
  return Llama3Scaling{scaling.value("factor", 8.0), scaling.value("low_freq_factor", 1.0),
                       scaling.value("high_freq_factor", 4.0),
                       scaling.value("original_max_position_embeddings", 8192.0)}
      .factors(rope["rope_theta"].get<double>(), head_dim_of(config, "config.json"));
}

std::vector<GgufEntry> gguf_metadata(const Json& config, const std::string& source) {
  const std::string model_type = config.value("model_type", "");
  const GgufFamily* family = gguf_family_of_model_type(model_type);
  if (!family) fail(ErrorKind::unsupported, "{}: model_type {} cannot be written as GGUF", source, quote(model_type));
  std::vector<GgufEntry> entries{{"general.architecture", GgufValue::of(family->architecture)}};
  const auto add = [&](std::string_view key, GgufValue value) {
    entries.push_back({fmt::format("{}.{}", family->architecture, key), std::move(value)});
  };
  for (const auto rules : family->keys)
    for (const GgufKeyRule& rule : rules) {
      auto found = config.find(std::string(rule.config));
      if (found == config.end() && rule.config == "num_experts") found = config.find("num_local_experts");
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
  const auto head_dim = static_cast<uint32_t>(head_dim_of(config, source));
  const uint32_t vocabulary = static_cast<uint32_t>(whole(config, "vocab_size", source));
  add("vocab_size", GgufValue::of(vocabulary));
  add("rope.dimension_count", GgufValue::of(head_dim));
  add("attention.key_length", GgufValue::of(head_dim));
  add("attention.value_length", GgufValue::of(head_dim));
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
  if (const Json types = layer_types_of(config); !types.is_null()) {
    std::vector<GgufValue> sliding;
    bool any = false;
    for (const Json& type : types) {
      sliding.push_back(GgufValue::of(type == "sliding_attention"));
      any |= type == "sliding_attention";
    }
    if (any) add("attention.sliding_window_pattern", GgufValue::array(GgufType::boolean, sliding));
  }
  return entries;
}

}  // namespace glassbox
