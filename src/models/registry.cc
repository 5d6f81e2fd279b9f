#include "models/registry.h"

#include <array>

#include "base/error.h"
#include "models/deepseek_v2.h"
#include "models/deepseek_v3.h"
#include "models/gemma2.h"
#include "models/gemma3_text.h"
#include "models/gpt_oss.h"
#include "models/known_keys.h"
#include "models/llama.h"
#include "models/llama4.h"
#include "models/mistral.h"
#include "models/mixtral.h"
#include "models/olmo.h"
#include "models/olmo2.h"
#include "models/olmo3.h"
#include "models/olmoe.h"
#include "models/qwen2.h"
#include "models/qwen3.h"
#include "models/qwen3_moe.h"
#include "models/smollm3.h"

namespace glassbox {
namespace {

struct Family {
  const char* model_type;
  const char* models;  // for example
  std::unique_ptr<LanguageModel> (*make)(Config&, WeightSource&);
};

// clang-format off: one a line
constexpr std::array kFamilies = {
    Family{"deepseek_v2", "DeepSeek-V2, V2-Lite", make_deepseek_v2},
    Family{"deepseek_v3", "DeepSeek-V3, R1, V3.1", make_deepseek_v3},
    Family{"gemma2", "Gemma 2", make_gemma2},
    Family{"gemma3", "Gemma 3 4B to 27B, without pictures", make_gemma3},
    Family{"gemma3_text", "Gemma 3, text", make_gemma3_text},
    Family{"gpt_oss", "gpt-oss 20B, 120B", make_gpt_oss},
    Family{"kimi_k2", "Kimi K2, without its tokenizer (tiktoken.model)", make_deepseek_v3},
    Family{"llama", "Llama 2, 3 to 3.3, R1-Distill-Llama, SmolLM 1 and 2, TinyLlama, Yi", make_llama},
    Family{"llama4", "Llama 4 Scout, Maverick, without pictures", make_llama4},
    Family{"llama4_text", "Llama 4, text", make_llama4_text},
    Family{"mistral", "Mistral 7B, Nemo, Small", make_mistral},
    Family{"mixtral", "Mixtral 8x7B, 8x22B", make_mixtral},
    Family{"olmo", "OLMo", make_olmo},
    Family{"olmo2", "OLMo 2", make_olmo2},
    Family{"olmo3", "OLMo 3", make_olmo3},
    Family{"olmoe", "OLMoE", make_olmoe},
    Family{"qwen2", "Qwen2, Qwen2.5, R1-Distill-Qwen", make_qwen2},
    Family{"qwen3", "Qwen3, dense", make_qwen3},
    Family{"qwen3_moe", "Qwen3 mixtures (30B-A3B, 235B-A22B, Coder)", make_qwen3_moe},
    Family{"smollm3", "SmolLM3", make_smollm3},
};
// clang-format on

// Known families that are not supported, and why: refused with the reason.
struct Missing {
  const char* model_type;
  const char* reason;
};

constexpr const char* kSparse =
    "its attention is sparse (an indexer chooses the keys), which this build does not compute";
constexpr const char* kLinear = "its layers of linear attention keep a state that this build does not compute";
constexpr const char* kState = "its layers of state spaces (Mamba-2) are not among what this build computes";
constexpr const char* kSees = "it sees pictures, which this build does not compute";
constexpr std::array kMissing = {
    Missing{"deepseek_v32", kSparse},
    Missing{"deepseek_v4", kSparse},
    Missing{"deepseek_ref", kSparse},
    Missing{"glm_moe_dsa", kSparse},
    Missing{"hf_olmo", "its tensors are named otherwise; the same models are published with model_type olmo"},
    Missing{"kimi_linear", kLinear},
    Missing{"kimi_k3", kLinear},
    Missing{"nemotron_h", kState},
    Missing{"qwen3_5", kLinear},
    Missing{"qwen3_5_text", kLinear},
    Missing{"qwen3_5_moe", kLinear},
    Missing{"qwen3_5_moe_text", kLinear},
    Missing{"qwen3_next", kLinear},
    Missing{"qwen3_vl", kSees},
    Missing{"qwen3_vl_moe", kSees},
};

}  // namespace

std::unique_ptr<LanguageModel> make_model(Config& config, WeightSource& weights) {
  auto model = build_model(config, weights);
  config.finish();
  weights.finish();
  return model;
}

std::unique_ptr<LanguageModel> build_model(Config& config, WeightSource& weights) {
  config.judged_by(family_that_reads);
  const auto type = config.get<std::string>("model_type");
  for (const Family& family : kFamilies)
    if (type == family.model_type) return family.make(config, weights);
  for (const Missing& missing : kMissing)
    if (type == missing.model_type)
      fail(ErrorKind::unsupported, "{}: model_type \"{}\" is not supported: {}", config.source(), type, missing.reason);
  fail(ErrorKind::unsupported, "{}: model_type \"{}\" is not supported; this build runs {}", config.source(), type,
       fmt::join(supported_model_types(), ", "));
}

std::vector<std::string> supported_model_types() {
  std::vector<std::string> types;
  for (const Family& family : kFamilies) types.emplace_back(family.model_type);
  return types;
}

std::vector<FamilyNote> supported_families() {
  std::vector<FamilyNote> notes;
  for (const Family& family : kFamilies) notes.push_back({family.model_type, family.models});
  return notes;
}

std::vector<FamilyNote> refused_families() {
  std::vector<FamilyNote> notes;
  for (const Missing& missing : kMissing) notes.push_back({missing.model_type, missing.reason});
  return notes;
}

}  // namespace glassbox
