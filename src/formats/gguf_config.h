// A model's description in GGUF metadata as the config.json its checkpoint would have, and the other way.
#pragma once

#include "base/json.h"
#include "formats/gguf.h"
#include "formats/gguf_families.h"

namespace glassbox {

// The family whose tables read this file. Throws Error(unsupported) naming an architecture we have no table for, and
// files that hold one part of a model (split.count).
const GgufFamily& gguf_family(const Gguf& file);

// A config.json as the checkpoint would have it: sizes from metadata and tensors, RoPE's scaling from its metadata or
// from the factors that GGUF keeps as the tensor rope_freqs.weight. Every key "ARCHITECTURE.*" is used or known not to
// matter: throws Error(unsupported) naming one that is neither, and Error(bad_file) naming one that is missing or
// contradicts the tensors.
Json gguf_config(const Gguf& file);

// generation_config.json: bos, pad, and every id that ends a text (eos, eot, eom).
Json gguf_generation_config(const Gguf& file);

// The other way: "general.architecture" and all "ARCHITECTURE.*" of a config.json, as llama.cpp reads them. `source`
// names it in errors. Throws Error(unsupported) naming a family without a table, or RoPE scaling GGUF has no word for.
std::vector<GgufEntry> gguf_metadata(const Json& config, const std::string& source);

// Whether what was written, read back as `again`, is the model that was meant. Throws Error(unsupported) naming every
// key that is missing or another, but for those that change nothing (Config::finish) and `ignore_keys`.
void check_same_model(const Json& config, const Json& again, const std::string& source,
                      std::span<const std::string> ignore_keys = {});

// rope_freqs.weight for Llama 3's scaling: how much slower each frequency turns, [head_dim / 2]. Empty for others.
std::vector<float> gguf_rope_factors(const Json& config);

}  // namespace glassbox
