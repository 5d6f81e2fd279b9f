#include "eval/importance.h"

#include <algorithm>

#include "base/error.h"
#include "formats/gguf_names.h"
#include "models/registry.h"

namespace glassbox {
namespace {

struct Fed {
  std::vector<GgufPlace> places;
  int64_t expert = -1;
};

// What goes in at a tap "MODULE.in": into which tensors, by the names that the text has alone. Experts that a
// checkpoint stacks have modules by number all the same ("experts.7.down_proj"), and no ".weight".
Fed fed_by(const FamilyFormat& family, std::string_view tap) {
  const std::string module(tap.substr(0, tap.size() - 3));
  Fed fed{gguf_places(family, module + ".weight")};
  if (!fed.places.empty()) {
    fed.expert = fed.places[0].expert;
    return fed;
  }
  constexpr std::string_view kExperts = ".experts.";
  const size_t at = module.rfind(kExperts), digits = at + kExperts.size();
  if (at == module.npos) return fed;
  const size_t end = module.find('.', digits);
  if (end == module.npos || module.find_first_not_of("0123456789", digits) != end || end - digits > 6) return fed;
  fed.expert = std::stoll(module.substr(digits, end - digits));
  fed.places = gguf_places(family, module.substr(0, digits - 1) + module.substr(end));
  return fed;
}

}  // namespace

ImportanceCollector::ImportanceCollector(const LanguageModel& model) {
  const FamilyFormat* family = gguf_family_named(model.shape().model_type, known_families());
  if (!family)
    fail(ErrorKind::unsupported, "importance: GGUF has no names for the tensors of {}", model.shape().model_type);
  const auto experts = static_cast<size_t>(model.shape().experts);
  const size_t before = model.shape().prefix.size();
  taps_.listen("*.in", [=, this](std::string_view name, const Tensor& value) -> std::optional<Tensor> {
    const Fed fed = fed_by(*family, name.substr(before));
    for (const GgufPlace& place : fed.places) {
      if (place.name.find("norm") != std::string::npos) continue;  // norms have inputs too
      ImportanceSums& sum = sums_[place.name];
      const auto width = static_cast<size_t>(value.width());
      sum.rows.resize(fed.expert < 0 ? 1 : experts);
      sum.squares.resize(sum.rows.size() * width);
      const auto expert = static_cast<size_t>(std::max<int64_t>(fed.expert, 0));
      float* squares = sum.squares.data() + expert * width;
      for (int64_t row = 0; row < value.rows(); ++row) {
        const float* x = value.f32() + row * value.width();
        for (size_t i = 0; i < width; ++i) squares[i] += x[i] * x[i];
      }
      sum.rows[expert] += value.rows();
    }
    return std::nullopt;
  });
}

}  // namespace glassbox
