// A model's description in GGUF metadata as the config.json its checkpoint would have, and the other way.
#pragma once

#include "base/json.h"
#include "formats/family_format.h"
#include "formats/gguf.h"

namespace glassbox {

// Keys of ours, which other readers pass over. What config.json says and GGUF has no words for, as JSON text.
inline constexpr std::string_view kOwnConfig = "glassbox.config";
// Tensors that the checkpoint has in another dtype than one would guess: {"F32": ["model.layers.3.mlp.gate.weight"]}.
inline constexpr std::string_view kOwnDtypes = "glassbox.dtypes";
// Before the name of a norm that GGUF holds as 1 + w: the w of the checkpoint, where the sum is less exact.
inline const std::string kExactNorm = "glassbox.norm.";

// The one of `families` whose table reads this file. Throws Error(unsupported) naming an architecture that none has,
// and Error(bad_file) of a file that holds one part of a model (split.count).
const FamilyFormat& gguf_family(const Gguf& file, const KnownFamilies& families);

// A config.json as the checkpoint would have it: sizes from metadata and tensors, RoPE's scaling from its metadata or
// from the factors that GGUF keeps as the tensor rope_freqs.weight. Every key "ARCHITECTURE.*" is used or known not to
// matter: throws Error(unsupported) naming one that is neither, and Error(bad_file) naming one that is missing or
// contradicts the tensors.
Json gguf_config(const Gguf& file, const FamilyFormat& family);

// generation_config.json: bos, pad, and every id that ends a text (eos, eot, eom).
Json gguf_generation_config(const Gguf& file);

// The other way: "general.architecture" and all "ARCHITECTURE.*" of a config.json, as llama.cpp reads them. `source`
// names it in errors; `drafts`: how many layers beyond the last the checkpoint has, which only draft. Throws
// Error(unsupported) naming RoPE scaling that GGUF has no word for.
std::vector<GgufEntry> gguf_metadata(const Json& config, const FamilyFormat& family, const std::string& source,
                                     int64_t drafts = 0);

// What kOwnConfig has to say beside that, so that the model read back is the one that was meant: every key of the
// config.json that a reader of `planned` would miss or take for another, null where it was absent. Other readers go by
// what GGUF says. Empty for most models. Throws Error(unsupported) naming a key that no family of ours uses so;
// `ignore_keys` and keys that change nothing (Config::finish) pass unsaid. REQUIRES: the config's family is one of
// `families`, with a table.
Json own_keys(const Json& config, const Gguf& planned, const KnownFamilies& families, const std::string& source,
              std::span<const std::string> ignore_keys = {});

// Which keys of config.json other readers of this file do without, as only keys of ours say them.
std::vector<std::string> beyond_gguf(const Gguf& file, const FamilyFormat& family);

// rope_freqs.weight for Llama 3's scaling: how much slower each frequency turns, [head_dim / 2]. Empty for others.
std::vector<float> gguf_rope_factors(const Json& config, const FamilyFormat& family);

}  // namespace glassbox
