// What each family of models calls its parts in GGUF and in its checkpoint: one table a family, read in both
// directions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox {

// How the numbers under the two names differ.
enum class GgufChange {
  none,
  rotary_q,  // rows of each query head: GGUF puts the two halves that RoPE turns together side by side, the checkpoint
  rotary_k,  // one after the other; the same for key heads
  plus_one,  // GGUF holds 1 + w of a norm whose checkpoint holds w
  expert,    // GGUF stacks all experts of a layer; '#' of the checkpoint's name is the index
  older,     // as none: how files used to be, read and no longer written
  // Experts that both sides stack, GGUF with a row for each output, the checkpoint with a column.
  stacked,  // [E, n, k] for the checkpoint's [E, k, n]
  gate_half,
  up_half,  // two tensors for one, whose columns are the gate's outputs and then up's
  gate_turns,
  up_turns,  // the same where gate and up take turns
  gate_bias,
  up_bias,  // the biases of the latter: [E, n] twice for [E, 2 n]
  // Latent attention's kv_b_proj, a head's N rows for keys and then V rows for values of C inputs each.
  key_part,    // [H, C, N]: turned around
  value_part,  // [H, V, C]
};

// Names without ".weight" or ".bias", which both sides spell alike, or where they do not, both whole; {} is the layer,
// # the expert.
struct GgufNameRule {
  std::string_view gguf, checkpoint;
  GgufChange change = GgufChange::none;
};

// One key of metadata, without "ARCHITECTURE.", and the key of config.json that says the same.
struct GgufKeyRule {
  enum class Kind { integer, real, boolean };
  std::string_view gguf, config;
  Kind kind;
};

struct GgufFamily {
  std::string_view architecture, model_type;
  std::span<const std::span<const GgufNameRule>> names;
  std::span<const std::span<const GgufKeyRule>> keys;
  // Before every name of the checkpoint: of a model that is more than its text, whose configuration is text_config.
  std::string_view prefix = {};
};

// Nothing if no table of ours has it. An architecture may serve several model_types: the file's metadata says which.
const GgufFamily* gguf_family_of_model_type(std::string_view model_type);
std::span<const GgufFamily> gguf_families();

// A tensor's place under the other name: `name` whole with its suffix; `rule` says what to do with the numbers.
struct GgufPlace {
  std::string name;
  const GgufNameRule* rule;
  int64_t layer = -1, expert = -1;  // where the name has one
};
// checkpoint -> GGUF: "model.layers.3.self_attn.q_proj.weight" -> "blk.3.attn_q.weight". Two where GGUF has two tensors
// for one. Empty: no rule has it.
std::vector<GgufPlace> gguf_places(const GgufFamily& family, std::string_view checkpoint_name);
// GGUF -> checkpoint; for stacked experts, the name of `expert`.
std::optional<GgufPlace> checkpoint_place(const GgufFamily& family, std::string_view gguf_name, int64_t expert = 0);

}  // namespace glassbox
