// Any bytes as an adapter for a small model, its adapter_config.json up to a line of dashes and its tensors after it:
// an Error of one line, or changes of the shapes their weights have.
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include "base/error.h"
#include "fuzz/require.h"
#include "nn/peft.h"

namespace {

using namespace glassbox;

std::vector<AdaptableWeight> model() {
  static const std::vector<float> numbers(32 * 56, 0.5f);
  std::vector<AdaptableWeight> weights;
  for (const char* layer : {"model.layers.0.", "model.layers.1."}) {
    const auto add = [&](const char* name, int64_t n, int64_t k) {
      weights.push_back({std::string(layer) + name, Tensor({n, k}, DType::f32, nullptr, numbers.data())});
    };
    add("self_attn.q_proj", 32, 32);
    add("self_attn.k_proj", 8, 32);
    add("self_attn.v_proj", 8, 32);
    add("self_attn.o_proj", 32, 32);
    add("mlp.gate_proj", 56, 32);
    add("mlp.up_proj", 56, 32);
    add("mlp.down_proj", 32, 56);
  }
  return weights;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Workspace workspace(1);
  static const std::vector<AdaptableWeight> weights = model();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  constexpr std::string_view kLine = "\n---\n";
  const size_t line = std::min(text.find(kLine), text.size());
  const std::string_view rest = text.substr(std::min(text.size(), line + kLine.size()));
  const std::shared_ptr<std::byte[]> bytes(new std::byte[rest.size()]);
  if (!rest.empty()) std::memcpy(bytes.get(), rest.data(), rest.size());
  try {
    const auto config = read_adapter_config(Config(parse_json(text.substr(0, line), "fuzz"), "fuzz"));
    const auto adapter =
        read_adapter(config, SafeTensors::from_bytes({bytes.get(), rest.size()}, bytes, "fuzz"), weights, workspace);
    require(!adapter->changes().empty() || !adapter->replacements().empty());
    for (const AdaptableWeight& weight : weights)
      if (const LowRank* change = adapter->find(weight.path)) {
        require(change->b.shape()[0] == weight.weight.shape()[0] && change->a.width() == weight.weight.width());
        require(change->a.shape()[0] == change->b.width());
        require(!change->magnitude == !change->norms);
      }
  } catch (const Error& error) { require_one_line(error.what()); }
  return 0;
}
