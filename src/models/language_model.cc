#include "models/language_model.h"

#include <charconv>

namespace glassbox {

double ModelShape::used_by_a_token(std::string_view tensor, int64_t parameters) const {
  constexpr std::string_view kLayers = "layers.";
  if (const size_t at = tensor.find(kLayers); at != std::string_view::npos) {
    const std::string_view number = tensor.substr(at + kLayers.size());
    int64_t layer = 0;
    std::from_chars(number.data(), number.data() + number.size(), layer);
    if (layer >= layers) return 0;
  }
  const bool of_experts = experts > 0 && tensor.find(".experts.") != std::string_view::npos;
  const double share = of_experts ? static_cast<double>(experts_per_token) / static_cast<double>(experts) : 1;
  return static_cast<double>(parameters) * share;
}

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
  const WeightVisitor visitor = [&](AdaptableWeight weight) { weights.push_back(std::move(weight)); };
  Pass pass(workspace, {.visitor = &visitor});
  const int32_t token = 0;
  pass.add({&token, 1});
  (*this)(pass);
  return weights;
}

}  // namespace glassbox
