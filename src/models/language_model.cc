#include "models/language_model.h"

namespace glassbox {

std::vector<std::string> LanguageModel::tap_names(Workspace& workspace) const {
  std::vector<std::string> names;
  Taps taps;
  taps.listen("*", [&](std::string_view name, const Tensor&) {
    names.emplace_back(name);
    return std::nullopt;
  });
  Pass pass(workspace, {&taps});
  const int32_t token = 0;
  pass.add({&token, 1});
  (*this)(pass);
  return names;
}

std::vector<AdaptableWeight> LanguageModel::adaptable_weights(Workspace& workspace) const {
  std::vector<AdaptableWeight> weights;
  const WeightVisitor visitor = [&](std::string_view path, const Tensor& w) {
    weights.push_back({std::string(path), w});
  };
  Pass pass(workspace, {.visitor = &visitor});
  const int32_t token = 0;
  pass.add({&token, 1});
  (*this)(pass);
  return weights;
}

}  // namespace glassbox
