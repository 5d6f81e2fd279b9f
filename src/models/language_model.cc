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

}  // namespace glassbox
