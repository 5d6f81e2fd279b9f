// Adapters in the layout of PEFT (https://github.com/huggingface/peft): adapter_config.json beside
// adapter_model.safetensors, whose keys are "base_model.model." + the module's path + ".lora_A.weight" and the like.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "formats/config.h"
#include "nn/parameters.h"
#include "tensor/adapter.h"
#include "tensor/pass.h"

namespace glassbox {

// What adapter_config.json says. `rank` and `alpha` are what most modules have; patterns name those that differ.
struct AdapterConfig {
  int64_t rank = 8;
  double alpha = 8;
  bool rslora = false;  // scale is alpha / sqrt(r), else alpha / r (arXiv:2312.03732)
  bool dora = false;
  std::string base;                     // base_model_name_or_path, or empty
  std::vector<std::string> targets;     // target_modules where they are names: for whoever makes one
  std::vector<std::string> parameters;  // target_parameters
  std::vector<std::string> saved;       // modules_to_save
  bool ties = false;                    // ensure_weight_tying: what changes the embedding changes lm_head
  // Python's regular expressions for a module's path, or for how it ends after a dot; the first that fits counts.
  std::vector<std::pair<std::string, double>> alpha_pattern;
  std::vector<std::string> warnings;  // keys that nothing reads, a line

  // Of the module (or parameter) at `path` with `rank` rows of A. Throws Error(unsupported) naming the expression,
  // Error(bad_file) for a scale beyond float32.
  float scale(std::string_view path, int64_t rank) const;
};

// Throws Error(bad_file | unsupported) naming the key: other methods than LoRA, layers repeated, tokens trained one by
// one, ... are refused.
AdapterConfig read_adapter_config(Config config);

// The change that `tensors` are, read as `config` says, to a model with `weights`: low-rank changes of modules, of
// embeddings and of parameters that stack experts (nn/peft_experts.h), and weights and biases in the place of the
// model's. Throws Error(bad_file | unsupported) naming the tensor: every one must belong to one of `weights` and fit
// it.
std::shared_ptr<Adapter> read_adapter(const AdapterConfig& config, const SafeTensors& tensors,
                                      std::span<const AdaptableWeight> weights, Workspace& workspace);

// An adapter as published, for the model that `weights` are of (LanguageModel::adaptable_weights). Its files stay
// mapped while the adapter lives. Throws Error(not_found | io), and as the two above.
std::shared_ptr<Adapter> open_adapter(const std::filesystem::path& folder, std::span<const AdaptableWeight> weights,
                                      Workspace& workspace);

// A new one, to be trained: A is uniform in +-1/sqrt(k), B zero, a magnitude the norm of W's rows, so that it changes
// nothing yet; of embeddings B is drawn, +-1/sqrt(r), and A zero. Experts in a stack cannot be targets. Its tensors
// become parameters of `parameters`, which was made fresh and must be published before use. Throws Error(bad_request)
// naming a target that is no module's name.
std::shared_ptr<const Adapter> make_adapter(const AdapterConfig& config, std::span<const AdaptableWeight> weights,
                                            Parameters& parameters, uint64_t seed, Workspace& workspace);

// Writes both files; parameters are saved as they are served.
void save_adapter(const std::filesystem::path& folder, const AdapterConfig& config, const Parameters& parameters);

}  // namespace glassbox
