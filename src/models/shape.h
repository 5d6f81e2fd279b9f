// What config.json says of sizes, rotary positions and mixtures of experts: the same for every family.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/config.h"
#include "models/language_model.h"
#include "nn/weights.h"
#include "tensor/words.h"

namespace glassbox {

// What a family takes for granted where its config.json does not say; 0: it has to say so.
struct ShapeDefaults {
  bool tied = false;
  std::optional<bool> tied_outside = {};                         // said by the configuration around this one
  int64_t head_dim = 0;                                          // 0: hidden_size / num_attention_heads
  int64_t vocabulary = 0, heads = 0, kv_heads = 0, context = 0;  // 0 kv_heads: as many as heads
};

// hidden_size, num_attention_heads and the rest, checked against each other. `tied` is what the model is: where
// config.json ties the output matrix to the table and `weights` have another one all the same, that one counts, as in
// transformers 5 and llama.cpp, and a warning says so. `place`: of a text that is part of another model
// ("language_model"). Throws Error(bad_file).
ModelShape read_shape(Config& config, WeightSource& weights, const ShapeDefaults& defaults = {},
                      const std::string& place = "");

// The text of a model that also sees pictures: text_config, which must be of this model_type; its tensors stand below
// kTextPlace. What sees, vision_config, is refused by name; who goes on without it (--ignore-key) has its tensors left
// where they are, below `tower`. Throws Error(bad_file | unsupported).
inline constexpr const char* kTextPlace = "language_model";
Config text_within(const Config& config, WeightSource& weights, std::string_view model_type, const std::string& tower);

// Memory holds float32 for float32 models, else bf16 (docs/design.md, Numbers). The embedding tells: files of
// quantized weights keep their norms in float32.
DType memory_dtype(WeightSource& weights, const ModelShape& shape);

// rope_frequency() of each pair that turns, as the kind of scaling changes it (formats/config.h). Throws
// Error(unsupported) where what turns of a head is no pairs.
Rotary rotary(const RopeConfig& rope, int64_t head_dim);

// Which layers know positions: no_rope_layers (1 or 0 for each), or where the file has none all but every
// no_rope_layer_interval-th (SmolLM3, Llama 4). Throws Error(bad_file).
std::vector<bool> read_rope_layers(const Config& config, int64_t layers);

// How many experts a layer has: num_experts as published, or num_local_experts or n_routed_experts, which transformers
// 5 writes for some families; those that are there must agree. Throws Error(bad_file).
int64_t read_experts(const Config& config);

// Of the layers that slide the window, of the others everything.
std::function<Sight(int64_t layer)> window_of(std::vector<bool> sliding, int64_t window);

// Keys and values of every head in each layer, in memory_dtype. `sight`: of a layer, where layers do not see all.
MemoryShape memory_of(const ModelShape& shape, WeightSource& weights,
                      const std::function<Sight(int64_t layer)>& sight = {});

}  // namespace glassbox
