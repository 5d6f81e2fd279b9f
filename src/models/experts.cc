#include "models/experts.h"

namespace glassbox {

int64_t read_experts(const Config& config) {
  constexpr int64_t kMost = 1 << 16;
  const char* known = nullptr;
  int64_t experts = 0;
  for (const char* key : {"num_experts", "num_local_experts", "n_routed_experts"}) {
    if (!config.has(key)) continue;
    const auto count = config.positive<int64_t>(key, kMost);
    if (known && count != experts)
      fail(ErrorKind::bad_file, "{}: expected {} as {} says, got {}", config.where(key), experts, known, count);
    known = key;
    experts = count;
  }
  return known ? experts : config.positive<int64_t>("num_experts", kMost);
}

}  // namespace glassbox
