#include "formats/gguf_config.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <set>

#include "base/error.h"
#include "base/quote.h"
#include "formats/config.h"
#include "formats/config_meaning.h"
#include "formats/gguf_keys.h"

namespace glassbox {
namespace {

using Kind = GgufKeyRule::Kind;

constexpr std::string_view kRopeFactors = "rope_freqs.weight";
// Ours: the four numbers behind rope_freqs.weight, which otherwise can only be told from the factors themselves.
constexpr std::string_view kLlama3Key = "glassbox.rope.llama3";

// What config.json says that GGUF may have no words for: these keys, and those of its family, alone may stand in
// kOwnConfig.
constexpr std::string_view kOwnKeys[] = {
    "attention_bias",
    "final_logit_softcapping",
    "hidden_act",
    "hidden_activation",
    "layer_types",
    "max_window_layers",
    "mlp_bias",
    "model_type",
    "partial_rotary_factor",
    "rms_norm_eps",
    "rope_local_base_freq",
    "rope_parameters",
    "rope_scaling",
    "rope_theta",
    "sliding_window",
    "use_sliding_window",
};
bool is_own(const FamilyFormat& family, std::string_view key) {
  return std::ranges::find(kOwnKeys, key) != std::end(kOwnKeys) ||
         std::ranges::find(family.gguf.own_keys, key) != family.gguf.own_keys.end();
}

// How much slower Llama 3's scaling turns each pair of a head.
std::vector<float> llama3_factors(const RopeConfig& rope, int64_t head_dim) {
  std::vector<float> factors;
  for (int64_t pair = 0; pair < head_dim / 2; ++pair) {
    const double keep = llama3_kept(rope, rope_frequency(rope.theta, head_dim, pair));
    factors.push_back(static_cast<float>(1 / ((1 - keep) / rope.factor + keep)));
  }
  return factors;
}

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

RopeConfig llama3(double theta, double factor, double low, double high, double original) {
  return {RopeConfig::Kind::llama3, theta, factor, low, high, static_cast<int64_t>(original)};
}

// The scaling whose factors these are: as our own converter wrote it down, else with Meta's parameters.
RopeConfig recognised(const Gguf& file, double theta, int64_t head_dim) {
  const RawTensor tensor = *file.tensor(kRopeFactors);
  const auto written = file.numbers(kLlama3Key);
  if (written && written->size() != 4)
    fail(ErrorKind::bad_file, "{}: {}: expected 4 numbers, got {}", file.source(), kLlama3Key, written->size());
  if (written && !((*written)[3] >= 1 && (*written)[3] <= std::numeric_limits<int32_t>::max()))
    fail(ErrorKind::bad_file, "{}: {}: expected a context of at least 1, got {}", file.source(), kLlama3Key,
         (*written)[3]);
  std::vector<RopeConfig> candidates;
  if (written) candidates.push_back(llama3(theta, (*written)[0], (*written)[1], (*written)[2], (*written)[3]));
  if (written && tensor.bytes.empty()) return candidates[0];
  if (tensor.dtype != DType::f32 || tensor.bytes.size() != static_cast<size_t>(head_dim / 2) * 4)
    fail(ErrorKind::bad_file, "{}: {}: expected {} factors in F32, got [{}] of {}", file.source(), kRopeFactors,
         head_dim / 2, fmt::join(tensor.shape, ", "), info(tensor.dtype).name);
  const std::span factors(reinterpret_cast<const float*>(tensor.bytes.data()), static_cast<size_t>(head_dim / 2));
  const double factor = *std::max_element(factors.begin(), factors.end());
  for (const double original : guesses(factors, factor, theta, head_dim))
    candidates.push_back(llama3(theta, factor, 1, 4, original));
  candidates.push_back(llama3(theta, factor, 1, 1, 8192));  // nothing blended: Llama 4 Scout's
  for (const RopeConfig& rope : candidates)
    if (agree(factors, llama3_factors(rope, head_dim))) return rope;
  fail(ErrorKind::unsupported, "{}: {}: not the factors of Llama 3's RoPE scaling by {}: others are not supported",
       file.source(), kRopeFactors, factor);
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

void read_rope(GgufKeys& from, const FamilyFormat& family, int64_t head_dim, Json& config) {
  const Gguf& file = from.file();
  const int64_t rotated =
      family.gguf.partial_rotary ? from.integer("rope.dimension_count").value_or(head_dim) : head_dim;
  from.same("rope.dimension_count", rotated);
  if (family.gguf.partial_rotary) {
    if (rotated < 1 || rotated > head_dim)
      fail(ErrorKind::bad_file, "{}: expected 1 to {}, got {}", from.where("rope.dimension_count"), head_dim, rotated);
    config["partial_rotary_factor"] = static_cast<double>(rotated) / static_cast<double>(head_dim);
  }
  const double theta = from.real("rope.freq_base").value_or(RopeConfig{}.theta);
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
    const auto tenth = family.gguf.latent ? from.real("rope.scaling.yarn_log_multiplier") : std::nullopt;
    if (tenth) scaling["mscale"] = scaling["mscale_all_dim"] = shortest(static_cast<float>(*tenth * 10));
    config["rope_scaling"] = std::move(scaling);
  } else if (type != "none") {
    fail(ErrorKind::unsupported, "{}: rope.scaling.type: expected none, linear or yarn, got {}", file.source(),
         quote(type));
  }
  if (!file.tensor(kRopeFactors)) return;
  if (type != "none")
    fail(ErrorKind::unsupported, "{}: both {} and rope.scaling.type {}", file.source(), kRopeFactors, quote(type));
  const RopeConfig rope = recognised(file, theta, rotated);
  config["rope_scaling"] = {{"rope_type", "llama3"},
                            {"factor", rope.factor},
                            {"low_freq_factor", rope.low_freq_factor},
                            {"high_freq_factor", rope.high_freq_factor},
                            {"original_max_position_embeddings", rope.original_max_position_embeddings}};
}

// The configuration of the text, where a model is more.
Json text_of(const Json& config, const FamilyFormat& family) {
  return !family.text ? config : config.value("text_config", Json::object());
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

// Latent attention: sizes of heads. GGUF says one key/value head, as the latent is one, and 1 + 1 layers where the last
// of them drafts.
void read_latent(GgufKeys& from, Json& config) {
  const int64_t rope = from.needed("rope.dimension_count");
  const auto key = from.integer("attention.key_length_mla"), value = from.integer("attention.value_length_mla");
  const int64_t whole_key = key ? *key : from.needed("attention.key_length");
  config["qk_rope_head_dim"] = rope;
  config["qk_nope_head_dim"] = whole_key - rope;
  config["v_head_dim"] = value ? *value : from.needed("attention.value_length");
  if (const int64_t rank = from.integer("attention.q_lora_rank").value_or(0); rank > 0) config["q_lora_rank"] = rank;
  config["num_key_value_heads"] = config["num_attention_heads"];
  if (const int64_t drafts = from.integer("nextn_predict_layers").value_or(0); drafts > 0) {
    const auto layers = config["num_hidden_layers"].get<int64_t>();
    if (drafts >= layers)
      fail(ErrorKind::bad_file, "{}: expected less than {} blocks, got {}", from.where("nextn_predict_layers"), layers,
           drafts);
    config["num_nextn_predict_layers"] = drafts;
    config["num_hidden_layers"] = layers - drafts;
  }
}

// kOwnConfig, as it stands.
Json own_config(const Gguf& file) {
  const auto text = file.string(kOwnConfig);
  if (!text) return Json::object();
  const std::string where = fmt::format("{}: {}", file.source(), kOwnConfig);
  if (text->size() > kMaxConfig) fail(ErrorKind::bad_file, "{}: {} bytes are too many", where, text->size());
  Json own = parse_json(*text, where);
  if (!own.is_object()) fail(ErrorKind::bad_file, "{}: expected an object, got {}", where, brief(own));
  return own;
}

// GGUF calls some families by one name ("llama" four): what the file has tells which.
const FamilyFormat* family_of(const Gguf& file, std::string_view architecture, const KnownFamilies& families) {
  const Json said = own_config(file).value("model_type", Json());
  const FamilyFormat *claiming = nullptr, *other = nullptr;
  for (const FamilyFormat* family : families.formats) {
    if (family->gguf.architecture != architecture) continue;
    if (said == family->model_type) return family;
    if (family->text) continue;  // pictures and all: only where the file says so
    if (!family->gguf.claims)
      other = other ? other : family;
    else if (!claiming && family->gguf.claims(file))
      claiming = family;
  }
  return claiming ? claiming : other;
}

}  // namespace

const FamilyFormat* gguf_family_named(std::string_view model_type, const KnownFamilies& families) {
  const auto found = std::ranges::find(families.formats, model_type, &FamilyFormat::model_type);
  return found == families.formats.end() || (*found)->gguf.architecture.empty() ? nullptr : *found;
}

const FamilyFormat& gguf_family(const Gguf& file, const KnownFamilies& families) {
  if (const auto parts = file.integer("split.count"); parts && *parts > 1)
    fail(ErrorKind::bad_file, "{}: one of {} parts of a model, without the others", file.source(), *parts);
  const auto architecture = file.string("general.architecture");
  if (!architecture) fail(ErrorKind::bad_file, "{}: expected a key general.architecture, found none", file.source());
  if (const FamilyFormat* family = family_of(file, *architecture, families)) return *family;
  std::set<std::string_view> known;
  for (const FamilyFormat* family : families.formats)
    if (!family->gguf.architecture.empty()) known.insert(family->gguf.architecture);
  fail(ErrorKind::unsupported, "{}: architecture {} is not supported; this build reads {}", file.source(),
       quote(*architecture), fmt::join(known, ", "));
}

Json gguf_config(const Gguf& file, const FamilyFormat& family) {
  const GgufTable& table = family.gguf;
  GgufKeys from(file, table.architecture);
  const FamilyFormat& text = family.text ? *family.text : family;
  Json config = {{"architectures", {text.class_name}}, {"model_type", text.model_type}};
  for (const auto rules : table.keys)
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
  const auto turning = table.partial_rotary ? std::nullopt : from.integer("rope.dimension_count");
  int64_t head_dim = turning.value_or(width / heads);
  if (!table.latent) {
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

  read_rope(from, family, head_dim, config);
  config["hidden_act"] = family.activation;
  for (const GgufPresence& each : table.presences)
    config[std::string(each.config)] = file.tensor(each.tensor).has_value();
  if (table.windows.period > 0)
    config["layer_types"] = from.layer_types(config["num_hidden_layers"].get<int64_t>(), table.windows);
  if (family.derive) family.derive(config);
  if (table.latent) read_latent(from, config);
  if (table.read) table.read(from, config);
  for (const char* id : {"bos", "eos", "padding"})
    if (const auto value = file.integer(fmt::format("tokenizer.ggml.{}_token_id", id)))
      config[fmt::format("{}_token_id", id == std::string_view("padding") ? "pad" : id)] = *value;
  from.finish();
  const Json own = own_config(file);
  for (const auto& [key, value] : own.items())
    if (!is_own(family, key))
      fail(ErrorKind::unsupported, "{}: {}: {} is not supported", file.source(), kOwnConfig, quote(key));
  if (std::ranges::any_of(kRopeKeys, [&](const char* key) { return own.contains(key); }))
    for (const char* key : kRopeKeys) config.erase(key);
  for (const auto& [key, value] : own.items()) {
    if (key == "model_type") continue;
    if (value.is_null())
      config.erase(key);
    else
      config[key] = value;
  }
  if (!family.text) return config;
  return {
      {"architectures", {family.class_name}}, {"model_type", family.model_type}, {"text_config", std::move(config)}};
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

Json own_keys(const Json& config, const Gguf& planned, const KnownFamilies& families, const std::string& source,
              std::span<const std::string> ignore_keys) {
  const FamilyFormat &family = *gguf_family_named(config.value("model_type", ""), families),
                     &read_as = gguf_family(planned, families);
  Json own = Json::object();
  if (&read_as != &family) own["model_type"] = family.model_type;
  const Json text = text_of(config, family), again = gguf_config(planned, read_as);
  Json meant = comparable(with_defaults(text, family), family), got = comparable(text_of(again, read_as), read_as);
  for (Json* one : {&meant, &got})
    for (const char* key : {"model_type", "architectures"}) one->erase(key);
  const auto say = [&](const std::string& key, const Json& value) {
    if (value != false) {  // what is false here is true by default
      try {
        const Config alone(Json{{key, value}}, source, ignore_keys);
        alone.judged_by(families.keys);
        alone.finish();
        return;  // changes nothing, whatever it is
      } catch (const Error&) {}
    }
    if (!is_own(family, key))
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

std::vector<std::string> beyond_gguf(const Gguf& file, const FamilyFormat& family) {
  std::vector<std::string> keys;
  const Json own = own_config(file);
  for (const auto& [key, value] : own.items())
    if (!value.is_null() && key != "model_type" && key != "num_nextn_predict_layers") keys.push_back(key);
  for (const auto rules : family.gguf.keys)
    for (const GgufKeyRule& rule : rules)
      if (rule.unread && file.integer(fmt::format("{}.{}", family.gguf.architecture, rule.gguf)).value_or(0) > 0)
        keys.emplace_back(rule.config);
  return keys;
}

std::vector<float> gguf_rope_factors(const Json& config, const FamilyFormat& family) {
  const Json text = text_of(config, family), rope = plain_rope(text, family);
  if (!rope.contains("rope_scaling") || rope["rope_scaling"]["rope_type"] != "llama3") return {};
  const Json& scaling = rope["rope_scaling"];
  return llama3_factors(
      llama3(rope["rope_theta"].get<double>(), scaling.value("factor", 8.0), scaling.value("low_freq_factor", 1.0),
             scaling.value("high_freq_factor", 4.0), scaling.value("original_max_position_embeddings", 8192.0)),
      rotated_width(rope.value("partial_rotary_factor", 1.0), head_dim_of(text, "config.json")));
}

std::vector<GgufEntry> gguf_metadata(const Json& whole_config, const FamilyFormat& family, const std::string& source,
                                     int64_t drafts) {
  const GgufTable& table = family.gguf;
  Json config = with_defaults(text_of(whole_config, family), family);
  if (table.latent) {
    config["num_key_value_heads"] = 1;  // the latent
    config["num_hidden_layers"] = whole(config, "num_hidden_layers", source) + drafts;
  }
  std::vector<GgufEntry> entries{{"general.architecture", GgufValue::of(table.architecture)}};
  const auto add = [&](std::string_view key, GgufValue value) {
    entries.push_back({fmt::format("{}.{}", table.architecture, key), std::move(value)});
  };
  for (const auto rules : table.keys)
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
  if (table.latent) {
    const uint32_t rope = size("qk_rope_head_dim"), rank = size("kv_lora_rank");
    add("rope.dimension_count", GgufValue::of(rope));
    add("attention.key_length", GgufValue::of(rank + rope));
    add("attention.value_length", GgufValue::of(rank));
    add("attention.key_length_mla", GgufValue::of(size("qk_nope_head_dim") + rope));
    add("attention.value_length_mla", GgufValue::of(size("v_head_dim")));
    const bool direct = config.value("q_lora_rank", Json()).is_null();
    add("attention.q_lora_rank", GgufValue::of(direct ? 0u : size("q_lora_rank")));
  } else {
    const auto head_dim = static_cast<uint32_t>(head_dim_of(config, source));
    const double part = table.partial_rotary ? plain_rope(config, family).value("partial_rotary_factor", 1.0) : 1.0;
    add("rope.dimension_count", GgufValue::of(static_cast<uint32_t>(rotated_width(part, head_dim))));
    add("attention.key_length", GgufValue::of(head_dim));
    add("attention.value_length", GgufValue::of(head_dim));
  }
  if (table.write) table.write(config, add);
  if (table.latent && drafts > 0) add("nextn_predict_layers", GgufValue::of(static_cast<uint32_t>(drafts)));

  const Json rope = plain_rope(config, family);
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
        if (table.latent) {
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
  if (const Json types = layer_types_of(config); table.windows.period > 0 && !types.is_null()) {
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
