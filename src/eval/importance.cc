#include "eval/importance.h"

#include "base/error.h"
#include "formats/gguf_families.h"

namespace glassbox {

ImportanceCollector::ImportanceCollector(const LanguageModel& model) {
  const GgufFamily* family = gguf_family_of_model_type(model.shape().model_type);
  if (!family)
    fail(ErrorKind::unsupported, "importance: GGUF has no names for the tensors of {}", model.shape().model_type);
  taps_.listen("*.in", [this, family](std::string_view name, const Tensor& value) -> std::optional<Tensor> {
    const auto places = gguf_places(*family, std::string(name.substr(0, name.size() - 3)) + ".weight");
    // Blocks and norms have inputs too; experts share theirs out among themselves.
    if (places.size() != 1 || places[0].rule->change == GgufChange::expert ||
        places[0].name.find("norm") != std::string::npos)
      return std::nullopt;
    ImportanceSums& sum = sums_[places[0].name];
    const auto width = static_cast<size_t>(value.width());
    sum.squares.resize(width);
    for (int64_t row = 0; row < value.rows(); ++row) {
      const float* x = value.f32() + row * value.width();
      for (size_t i = 0; i < width; ++i) sum.squares[i] += x[i] * x[i];
    }
    sum.rows += value.rows();
    return std::nullopt;
  });
}

}  // namespace glassbox
