// LoRA on parameters that hold every expert of a layer, as PEFT lays it out (its target_parameters): one pair of
// factors for all experts, A [E r, k], expert after expert, and B [n, r E], in which an expert's columns stand E apart.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "formats/safetensors.h"
#include "tensor/adapter.h"

namespace glassbox {

// Adaptable weights by the path of their module; those that can only be replaced are not among them.
using AdaptableByPath = std::map<std::string, const AdaptableWeight*, std::less<>>;

// One parameter's factors for every expert.
struct ExpertChange {
  std::string path;  // of the expert's weight among the adaptable ones
  LowRank change;    // without a scale
};

// The module whose parameter `key`, a path of adapter_model.safetensors, is about, and the parameter. PEFT wraps a
// module once for each of its targeted parameters, in the order the module declares them, and names only the wrapping:
// ".base_layer" once for each further in. Empty if `key` is about no module of experts.
struct ExpertParameter {
  std::string module, parameter;  // gate_up_proj or down_proj
  explicit operator bool() const { return !parameter.empty(); }
};
ExpertParameter expert_parameter(std::string_view key, const std::vector<std::string>& target_parameters,
                                 const AdaptableByPath& weights);

// What A and B change of each expert: copies in their dtype. Where a checkpoint has gate and up apart, rows of B are
// shared out. Throws Error(bad_file | unsupported) naming `source` and the tensor.
std::vector<ExpertChange> expert_changes(const ExpertParameter& of, const RawTensor& a, const RawTensor& b,
                                         const AdaptableByPath& weights, const std::string& source);

}  // namespace glassbox
