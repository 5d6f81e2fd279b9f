// What a config.json means, whichever way it is spelled: so that one can be compared with another.
#pragma once

#include <string_view>

#include "base/json.h"

namespace glassbox {

inline bool is_gemma(std::string_view model_type) { return model_type.starts_with("gemma"); }
inline bool is_llama4(std::string_view model_type) { return model_type.starts_with("llama4"); }
inline bool is_deepseek_v3(std::string_view model_type) {
  return model_type == "deepseek_v3" || model_type == "kimi_k2";
}
inline bool is_latent(std::string_view model_type) { return model_type == "deepseek_v2" || is_deepseek_v3(model_type); }

// All keys that speak of RoPE.
inline constexpr const char* kRopeKeys[] = {"rope_theta", "rope_scaling", "rope_parameters", "rope_local_base_freq"};

// {"rope_theta", "rope_scaling"} of either spelling of config.json, without what says nothing.
Json plain_rope(const Json& config);

// layer_types, or what Gemma 3's sliding_window_pattern says of it: every so many layers one sees all. Null: nothing.
Json layer_types_of(const Json& config);
// Which layers turn queries and keys (1 or 0 each): said, or every fourth does not.
Json turning_layers(const Json& config);
// Llama 4's layers that are mixtures.
Json mixture_layers(const Json& config);

// The configuration of a text with what its family takes for granted and other formats must be told.
Json with_defaults(Json config, std::string_view model_type);

// What is left of a text's config.json once keys that do not change the model, or that say it by default, are gone.
Json comparable(Json config);

// Numbers are the same as float32, which is what other formats hold.
bool same_value(const Json& a, const Json& b);

}  // namespace glassbox
