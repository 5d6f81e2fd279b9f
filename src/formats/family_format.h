// How the models of a family are written down: what its config.json means, and what GGUF calls its parts. The families
// themselves stand with their models (models/family.h) and are handed down from there.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "base/json.h"
#include "formats/config.h"
#include "formats/gguf.h"

namespace glassbox {

class GgufKeys;

// How the numbers under the two names differ. Experts that both sides stack have a row for each output in GGUF and a
// column for each in the checkpoint, where one tensor may hold the gate's outputs (g) and up's (u):
//
//   stacked      GGUF [E, n, k]                        checkpoint [E, k, n]     columns 0 1 2 ... n-1
//   half         GGUF gate [E, n, k], up [E, n, k]     checkpoint [E, k, 2 n]   columns g g ... g u u ... u
//   interleaved  GGUF gate [E, n, k], up [E, n, k]     checkpoint [E, k, 2 n]   columns g u g u ... g u
enum class GgufChange {
  none,
  rotary_q,  // rows of each query head: GGUF puts the two halves that RoPE rotates together side by side, the
             // checkpoint
  rotary_k,  // one after the other; the same for key heads
  plus_one,  // GGUF holds 1 + w of a norm whose checkpoint holds w
  expert,    // GGUF stacks all experts of a layer; '#' of the checkpoint's name is the index
  former,    // as none: how files used to be, read and no longer written
  stacked,
  gate_half,
  up_half,
  gate_interleaved,
  up_interleaved,
  gate_bias,  // biases of the interleaved: GGUF [E, n] twice for [E, 2 n]
  up_bias,
  // Latent attention's kv_b_proj, a head's N rows for keys and then V rows for values of C inputs each.
  key_part,    // [H, C, N]: transposed
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
  bool unread = false;  // by others: their models of this architecture have nothing of the kind
};

// A key of config.json that is true where the file has a tensor.
struct GgufPresence {
  std::string_view config, tensor;
};

// Which layers see all where a file has no attention.sliding_window_pattern: the `full`-th of every `period`. A period
// of 0: GGUF knows no windows by layer of this family.
struct GgufWindows {
  int64_t period = 0, full = 0;
  std::string_view kind = "sliding_attention";  // what layer_types calls the others
};

using GgufAdd = std::function<void(std::string_view key, GgufValue value)>;

struct GgufTable {
  std::string_view architecture;  // several families may share one; empty: GGUF has no name for the family
  std::span<const std::span<const GgufNameRule>> names;
  std::span<const std::span<const GgufKeyRule>> keys;
  std::span<const GgufPresence> presences = {};
  GgufWindows windows = {};
  bool latent = false;          // latent attention: its sizes of heads stand under keys of their own
  bool partial_rotary = false;  // rope.dimension_count may be less than a head: partial_rotary_factor

  // Keys of config.json that GGUF has no words for, beside those of every family: they may stand in a key of ours.
  std::span<const std::string_view> own_keys = {};

  // Whether a file of this architecture is this family's. Null: where no other one claims it.
  bool (*claims)(const Gguf& file) = nullptr;
  // What the table cannot say, after all else was read; and what is written beside its keys.
  void (*read)(GgufKeys& from, Json& config) = nullptr;
  void (*write)(const Json& config, const GgufAdd& add) = nullptr;
};

struct FamilyFormat {
  std::string_view model_type;  // of config.json
  std::string_view class_name;  // its "architectures"
  std::span<const ConfigDefault> defaults = {};
  std::string_view activation = "silu";    // hidden_act
  void (*derive)(Json& config) = nullptr;  // spells out what other keys imply (lists of layers)
  GgufTable gguf = {};

  // Of a model that is more than its text: the text's format, which says all but the names above, and what stands
  // before its tensors' names. Its configuration is text_config.
  const FamilyFormat* text = nullptr;
  std::string_view prefix = {};
};

// The format of a model whose text is `text`. REQUIRES: `text` is static.
constexpr FamilyFormat within(const FamilyFormat& text, std::string_view model_type, std::string_view class_name,
                              std::string_view prefix) {
  FamilyFormat whole = text;
  whole.model_type = model_type;
  whole.class_name = class_name;
  whole.text = &text;
  whole.prefix = prefix;
  return whole;
}

// What formats/ has to know of the families there are.
struct KnownFamilies {
  std::span<const FamilyFormat* const> formats;
  KnownKeys keys;  // of config.json, for Config::judged_by
};

// Null if there is none, or GGUF has no name for it.
const FamilyFormat* gguf_family_named(std::string_view model_type, const KnownFamilies& families);

}  // namespace glassbox
