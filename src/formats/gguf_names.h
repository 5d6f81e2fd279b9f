// Names of tensors in GGUF and in the checkpoint, by a family's table, in both directions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/family_format.h"

namespace glassbox {

// A tensor's place under the other name: `name` whole with its suffix; `rule` says what to do with the numbers.
struct GgufPlace {
  std::string name;
  const GgufNameRule* rule;
  int64_t layer = -1, expert = -1;  // where the name has one
};
// checkpoint -> GGUF: "model.layers.3.self_attn.q_proj.weight" -> "blk.3.attn_q.weight". Two where GGUF has two tensors
// for one. Empty: no rule has it.
std::vector<GgufPlace> gguf_places(const FamilyFormat& family, std::string_view checkpoint_name);
// GGUF -> checkpoint; for stacked experts, the name of `expert`.
std::optional<GgufPlace> checkpoint_place(const FamilyFormat& family, std::string_view gguf_name, int64_t expert = 0);

}  // namespace glassbox
