#include "formats/config_meaning.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace glassbox {
namespace {

const ConfigDefault* find_default(const FamilyFormat& family, std::string_view key) {
  const auto found = std::ranges::find(family.defaults, key, &ConfigDefault::key);
  return found == family.defaults.end() ? nullptr : &*found;
}

}  // namespace

Json default_of(const FamilyFormat& family, std::string_view key) {
  const ConfigDefault* found = find_default(family, key);
  return found ? found->json() : Json();
}

Json plain_rope(const Json& config, const FamilyFormat& family) {
  Json rope = Json::object();
  const Json parameters = config.value("rope_parameters", Json()), old = config.value("rope_scaling", Json());
  Json scaling = parameters.is_object() ? parameters : old.is_object() ? old : Json::object();
  const Json usual = default_of(family, "rope_theta");
  rope["rope_theta"] = config.value("rope_theta", usual.is_null() ? Json(RopeConfig{}.theta) : usual);
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
  const Json part = config.value("partial_rotary_factor", default_of(family, "partial_rotary_factor"));
  if (const Json within = scaling.value("partial_rotary_factor", part); within.is_number() && within != 1)
    rope["partial_rotary_factor"] = within;
  scaling.erase("partial_rotary_factor");
  if (scaling.contains("type")) {
    scaling["rope_type"] = scaling["type"];
    scaling.erase("type");
  }
  if (scaling.value("rope_type", Json("default")) != "default") rope["rope_scaling"] = std::move(scaling);
  return rope;
}

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

Json turning_layers(const Json& config, int64_t interval) {
  const Json said = config.value("no_rope_layers", Json());
  if (said.is_array() && !said.empty()) return said;
  const Json every = config.value("no_rope_layer_interval", Json(interval)),
             layers = config.value("num_hidden_layers", Json());
  if (!every.is_number_integer() || every.get<int64_t>() < 1 || !layers.is_number_integer()) return {};
  Json turns = Json::array();
  for (int64_t i = 0; i < std::min<int64_t>(layers.get<int64_t>(), 4096); ++i)
    turns.push_back((i + 1) % every.get<int64_t>() != 0 ? 1 : 0);
  return turns;
}

Json mixture_layers(const Json& config, int64_t usual) {
  if (const Json said = config.value("moe_layers", Json()); said.is_array()) return said;
  const Json step = config.value("interleave_moe_layer_step", Json(usual)),
             layers = config.value("num_hidden_layers", Json());
  if (!step.is_number_integer() || step.get<int64_t>() < 1 || !layers.is_number_integer()) return {};
  Json list = Json::array();
  for (int64_t i = step.get<int64_t>() - 1; i < std::min<int64_t>(layers.get<int64_t>(), 4096);
       i += step.get<int64_t>())
    list.push_back(i);
  return list;
}

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

Json with_defaults(Json config, const FamilyFormat& family) {
  for (const ConfigDefault& each : family.defaults)
    if (each.told && config.value(std::string(each.key), Json()).is_null()) config[std::string(each.key)] = each.json();
  return config;
}

Json comparable(Json config, const FamilyFormat& family) {
  Json kept = plain_rope(config, family);
  if (kept.contains("rope_scaling")) {
    Json& scaling = kept["rope_scaling"];
    const auto drop = [&](const char* key, const Json& value) {
      if (scaling.contains(key) && (scaling[key].is_null() || same_value(scaling[key], value))) scaling.erase(key);
    };
    drop("truncate", true);
    drop("beta_fast", 32);
    drop("beta_slow", 1);
    drop("attention_factor", nullptr);
    if (scaling.value("rope_type", Json()) == "yarn" && scaling.contains("mscale") &&
        scaling.contains("mscale_all_dim") && scaling["mscale"] == scaling["mscale_all_dim"] && !family.gguf.latent) {
      scaling.erase("mscale");  // their quotient is all that counts
      scaling.erase("mscale_all_dim");
    }
  }
  if (const Json types = layer_types_of(config); !types.is_null()) config["layer_types"] = types;
  if (family.derive) family.derive(config);
  for (const char* key : kRopeKeys) config.erase(key);
  const auto whole = [](const Json& value) {  // 1.0 and 1 are the same number
    return value.is_number_float() && std::trunc(value.get<double>()) == value.get<double>() &&
           std::abs(value.get<double>()) < 1e15;
  };
  for (auto& [key, value] : config.items()) {
    if (value.is_null() || (value == false && default_of(family, key) != true)) continue;
    kept[key] = whole(value) ? Json(static_cast<int64_t>(value.get<double>())) : value;
  }
  for (const char* name : {"num_experts", "n_routed_experts"})  // transformers 5 spells some anew
    if (kept.contains(name)) {
      kept["num_local_experts"] = kept[name];
      kept.erase(name);
    }
  // What says nothing: no layer looks through a window, all keys of a layer turn, no layer is dense.
  if (kept.contains("layer_types") && family.gguf.windows.kind != "chunked_attention" &&
      std::ranges::all_of(kept["layer_types"], [](const Json& kind) { return kind == "full_attention"; }))
    for (const char* key : {"layer_types", "max_window_layers", "sliding_window", "use_sliding_window"})
      kept.erase(key);
  if (!kept.contains("sliding_window")) kept.erase("max_window_layers");
  if (kept.contains("mlp_only_layers") && kept["mlp_only_layers"].empty()) kept.erase("mlp_only_layers");
  for (const char* key : {"no_rope_layer_interval", "_sliding_window_pattern", "sliding_window_pattern",
                          "interleave_moe_layer_step", "quantization_config", "num_nextn_predict_layers"})
    kept.erase(key);  // what the lists above were made of, or the tensors say
  for (const char* key :
       {"router_aux_loss_coef", "router_jitter_noise", "aux_loss_alpha", "seq_aux", "ep_size", "for_llm_compressor"})
    kept.erase(key);  // of training, or of other programs
  const auto drop = [&](const char* key, const Json& value) {
    if (kept.contains(key) && same_value(kept[key], value)) kept.erase(key);
  };
  drop("hidden_act", family.activation);
  drop("hidden_activation", "gelu_pytorch_tanh");
  if (kept.contains("sliding_window")) drop("sliding_window_size", kept["sliding_window"]);  // its older name
  drop("shared_expert_intermediate_size", 0);
  if (kept.contains("num_experts_per_tok")) drop("experts_per_token", kept["num_experts_per_tok"]);
  kept.erase("initial_context_length");  // an older name, too: rope_scaling says it
  for (const ConfigDefault& each : family.defaults)
    if (!each.told && std::ranges::find(kRopeKeys, each.key) == std::end(kRopeKeys))
      drop(std::string(each.key).c_str(), each.json());
  if (family.gguf.latent) {
    for (const char* key : {"head_dim", "qk_head_dim"}) kept.erase(key);  // follow from others
  } else if (!kept.contains("head_dim") && kept.contains("hidden_size") && kept.contains("num_attention_heads") &&
             kept["num_attention_heads"] != 0) {
    kept["head_dim"] = kept["hidden_size"].get<int64_t>() / kept["num_attention_heads"].get<int64_t>();
  }
  return kept;
}

}  // namespace glassbox
