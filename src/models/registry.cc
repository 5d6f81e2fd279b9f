#include "models/registry.h"

#include <array>

#include "base/error.h"
#include "formats/gguf_config.h"
#include "models/families.h"
#include "models/known_keys.h"

namespace glassbox {
namespace {

#define GLASSBOX_LIST(descriptor, make) &descriptor,
constexpr const Family* kFamilies[] = {GLASSBOX_FAMILIES(GLASSBOX_LIST)};
#undef GLASSBOX_LIST

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
  const auto type = config.get<std::string>("model_type");
  if (const Family* family = find_family(type)) return build_model(*family, config, weights);
  for (const Missing& missing : kMissing)
    if (type == missing.model_type)
      fail(ErrorKind::unsupported, "{}: model_type \"{}\" is not supported: {}", config.source(), type, missing.reason);
  fail(ErrorKind::unsupported, "{}: model_type \"{}\" is not supported; this build runs {}", config.source(), type,
       fmt::join(supported_model_types(), ", "));
}

std::unique_ptr<LanguageModel> build_model(const Family& family, Config& config, WeightSource& weights) {
  if (!config.is_judged()) config.judged_by(family_that_reads);
  config.assume(family.format.defaults);
  return family.make(config, weights);
}

const Family* find_family(std::string_view model_type) {
  for (const Family* family : kFamilies)
    if (family->format.model_type == model_type) return family;
  return nullptr;
}

const KnownFamilies& known_families() {
  static const std::vector<const FamilyFormat*> formats = [] {
    std::vector<const FamilyFormat*> list;
    for (const Family* family : kFamilies) list.push_back(&family->format);
    return list;
  }();
  static const KnownFamilies known = {formats, family_that_reads};
  return known;
}

GgufCheckpoint gguf_checkpoint(Gguf file) {
  const FamilyFormat& family = gguf_family(file, known_families());
  return GgufCheckpoint(std::move(file), family);
}

std::vector<std::string> supported_model_types() {
  std::vector<std::string> types;
  for (const Family* family : kFamilies) types.emplace_back(family->format.model_type);
  return types;
}

std::vector<FamilyNote> supported_families() {
  std::vector<FamilyNote> notes;
  for (const Family* family : kFamilies)
    notes.push_back({std::string(family->format.model_type), std::string(family->models)});
  return notes;
}

std::vector<FamilyNote> refused_families() {
  std::vector<FamilyNote> notes;
  for (const Missing& missing : kMissing) notes.push_back({missing.model_type, missing.reason});
  return notes;
}

}  // namespace glassbox
