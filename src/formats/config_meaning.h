// What a config.json means, whichever way it is spelled: so that one can be compared with another.
#pragma once

#include <string_view>

#include "base/json.h"
#include "formats/family_format.h"

namespace glassbox {

// All keys that speak of RoPE.
inline constexpr const char* kRopeKeys[] = {"rope_theta", "rope_scaling", "rope_parameters", "rope_local_base_freq",
                                            "partial_rotary_factor"};

// What the family takes a key to be where a file does not have it. Null: nothing.
Json default_of(const FamilyFormat& family, std::string_view key);

// {"rope_theta", "rope_scaling", "partial_rotary_factor"} of either spelling of config.json, without what says nothing.
Json plain_rope(const Json& config, const FamilyFormat& family);

// layer_types, or what Gemma 3's sliding_window_pattern says of it: every so many layers one sees all. Null: nothing.
Json layer_types_of(const Json& config);
// Which layers turn queries and keys (1 or 0 each): no_rope_layers, or all but every no_rope_layer_interval-th, or
// where the file has neither `interval`-th.
Json turning_layers(const Json& config, int64_t interval);
// Which layers are mixtures: moe_layers, or every interleave_moe_layer_step-th, or `usual`-th.
Json mixture_layers(const Json& config, int64_t usual);

// The configuration of a text with what its family takes for granted and other formats must be told.
Json with_defaults(Json config, const FamilyFormat& family);

// What is left of a text's config.json once keys that do not change the model, or that say it by default, are gone.
Json comparable(Json config, const FamilyFormat& family);

// Numbers are the same as float32, which is what other formats hold.
bool same_value(const Json& a, const Json& b);

}  // namespace glassbox
