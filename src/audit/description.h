// What a model, or one file of it, is: said from headers and configuration, before any weights are loaded.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace glassbox {

struct DescriptionOptions {
  std::vector<std::string> ignore_keys;  // of config.json
  int64_t context = 0;                   // tokens to reckon the cache's memory for; 0: the model's own context
};

// `reference`: a shipped model, a folder as published, a .gguf file, or one file of a folder (weights, index,
// config.json, tokenizer, template). One object with what there is of:
//
//   model         the reference
//   architecture  {supported, why, ...}: whether this build runs it, and if not which key, tensor or family stops it.
//                 Where the family is known, its sizes; `parameters` {total, active}; `memory`, by precision,
//                 {weights_bytes, cache_bytes} with `memory_context` tokens in the cache. Where only a key stops it the
//                 same, without what that key would add.
//   weights       {parameters, parameters_by_dtype, bytes, files, tensors: [{name, dtype, shape, bytes}]}; of a
//                 configuration alone what a checkpoint of it would hold
//   gguf          of a .gguf file: {version, metadata: {key: its value as text, long arrays cut}}
//   text          {tokenizer, tokens, chat_template, eos, sampling, sampling_from}, or {why}; how it is sampled where
//                 nothing is asked for, and by whose word: "model" or "glassbox"
//
// Throws Error(not_found) for what is not there, and what the readers of single files throw.
OrderedJson describe(std::string_view reference, const DescriptionOptions& options);

}  // namespace glassbox
