// A folder of a real shape with random weights in bf16, for programs that want files:
//   random_model bench/shapes/llama-3.2-1b.json FOLDER
// `glassbox convert` makes a GGUF file of it, and `glassbox quantize` smaller ones.
#include <fmt/core.h>

#include <exception>
#include <filesystem>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "models/registry.h"
#include "nn/weights.h"

namespace glassbox {
namespace {

void write_random_model(const std::filesystem::path& shape, const std::filesystem::path& folder) {
  RandomWeights weights(DType::bf16);
  Config config(read_json(shape), shape.string());
  make_model(config, weights);  // asks for its weights by name
  std::vector<RawTensor> tensors;
  for (const auto& [name, w] : weights.made()) {
    const auto sizes = w.shape().sizes();
    tensors.push_back({name, w.dtype(), {sizes.begin(), sizes.end()}, {w.data<std::byte>(), w.bytes()}, nullptr});
  }
  std::filesystem::create_directories(folder);
  write_safetensors(folder / "model.safetensors", tensors, {{"format", "pt"}});
  write_file(folder / "config.json", read_file(shape));
}

}  // namespace
}  // namespace glassbox

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: random_model SHAPE FOLDER (a config.json, and what to make)\n");
    return 2;
  }
  try {
    glassbox::write_random_model(argv[1], argv[2]);
  } catch (const std::exception& error) {
    fmt::print(stderr, "random_model: {}\n", error.what());
    return 1;
  }
}
