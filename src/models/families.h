// The families that this build runs, one a line: a descriptor, defined beside its model, and what makes the model. To
// add a family is to write its own files and a line here (docs/tour.md). By model_type, as README lists them.
#pragma once

#include <memory>

#include "models/family.h"

#define GLASSBOX_FAMILIES(FAMILY)       \
  FAMILY(kDeepseekV2, make_deepseek_v2) \
  FAMILY(kDeepseekV3, make_deepseek_v3) \
  FAMILY(kGemma2, make_gemma2)          \
  FAMILY(kGemma3, make_gemma3)          \
  FAMILY(kGemma3Text, make_gemma3_text) \
  FAMILY(kGptOss, make_gpt_oss)         \
  FAMILY(kKimiK2, make_deepseek_v3)     \
  FAMILY(kLlama, make_llama)            \
  FAMILY(kLlama4, make_llama4)          \
  FAMILY(kLlama4Text, make_llama4_text) \
  FAMILY(kMistral, make_mistral)        \
  FAMILY(kMixtral, make_mixtral)        \
  FAMILY(kOlmo, make_olmo)              \
  FAMILY(kOlmo2, make_olmo2)            \
  FAMILY(kOlmo3, make_olmo3)            \
  FAMILY(kOlmoe, make_olmoe)            \
  FAMILY(kQwen2, make_qwen2)            \
  FAMILY(kQwen3, make_qwen3)            \
  FAMILY(kQwen3Moe, make_qwen3_moe)     \
  FAMILY(kSmolLm3, make_smollm3)        \
  FAMILY(kStableLm, make_stablelm)

namespace glassbox {

#define GLASSBOX_DECLARE(descriptor, make) \
  extern const Family descriptor;          \
  std::unique_ptr<LanguageModel> make(Config& config, WeightSource& weights);
GLASSBOX_FAMILIES(GLASSBOX_DECLARE)
#undef GLASSBOX_DECLARE

}  // namespace glassbox
