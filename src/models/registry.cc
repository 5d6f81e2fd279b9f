#include "models/registry.h"

#include <array>

#include "base/error.h"
#include "models/llama.h"
#include "models/mixtral.h"
#include "models/olmoe.h"
#include "models/qwen3_moe.h"

namespace glassbox {
namespace {

struct Family {
  const char* model_type;
  std::unique_ptr<LanguageModel> (*make)(Config&, WeightSource&);
};

constexpr std::array kFamilies = {
    Family{"llama", make_llama},
    Family{"mixtral", make_mixtral},
    Family{"olmoe", make_olmoe},
    Family{"qwen3_moe", make_qwen3_moe},
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
  for (const Family& family : kFamilies)
    if (type == family.model_type) return family.make(config, weights);
  fail(ErrorKind::unsupported, "{}: model_type \"{}\" is not supported; this build runs {}", config.source(), type,
       fmt::join(supported_model_types(), ", "));
}

std::vector<std::string> supported_model_types() {
  std::vector<std::string> types;
  for (const Family& family : kFamilies) types.emplace_back(family.model_type);
  return types;
}

}  // namespace glassbox
