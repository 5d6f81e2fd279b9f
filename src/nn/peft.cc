#include "nn/peft.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/random.h"

namespace glassbox {
namespace {

constexpr std::string_view kPrefix = "base_model.model.";

// Patterns are regular expressions that match a path from its start or after a dot, to its end. Those that are plain
// names mean what they say here; a dot in one stands for itself.
bool plain_name(std::string_view pattern) {
  if (pattern.starts_with('^')) pattern.remove_prefix(1);
  return !pattern.empty() && std::ranges::all_of(pattern, [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '.' || c == '-';
  });
}

bool names(std::string_view pattern, std::string_view path) {
  if (pattern.starts_with('^')) return path == pattern.substr(1);
  return path == pattern || (path.ends_with(pattern) && path[path.size() - pattern.size() - 1] == '.');
}

// What an adapter's checkpoint holds of one module, by the ends of its keys.
struct Parts {
  std::optional<RawTensor> a, b, magnitude;
};

Tensor tensor_of(const RawTensor& raw, const Shape& shape, const std::string& source) {
  if (raw.dtype != DType::f32 && raw.dtype != DType::f16 && raw.dtype != DType::bf16)
    fail(ErrorKind::unsupported, "{}: tensor {}: expected F32, F16 or BF16, got {}", source, raw.name,
         info(raw.dtype).name);
  if (raw.shape.size() > 4 || Shape(std::span<const int64_t>(raw.shape)) != shape)
    fail(ErrorKind::bad_file, "{}: tensor {}: expected shape {}, got [{}]", source, raw.name, shape.text(),
         fmt::join(raw.shape, ", "));
  return Tensor(shape, raw.dtype, raw.owner, raw.bytes.data());
}

std::map<std::string, Parts> parts_of(const SafeTensors& file) {
  std::map<std::string, Parts> parts;
  for (const std::string_view name : file.names()) {
    std::string_view path = name;
    if (!path.starts_with(kPrefix))
      fail(ErrorKind::bad_file, "{}: tensor {}: expected a name that begins with {}", file.source(), name, kPrefix);
    path.remove_prefix(kPrefix.size());
    const auto strip = [&](std::string_view end) {
      if (!path.ends_with(end)) return false;
      path.remove_suffix(end.size());
      return true;
    };
    const auto raw = file.find(name);
    if (strip(".lora_A.weight"))
      parts[std::string(path)].a = raw;
    else if (strip(".lora_B.weight"))
      parts[std::string(path)].b = raw;
    else if (strip(".lora_magnitude_vector") || strip(".lora_magnitude_vector.weight"))
      parts[std::string(path)].magnitude = raw;
    else
      fail(ErrorKind::unsupported,
           "{}: tensor {}: expected lora_A.weight, lora_B.weight or lora_magnitude_vector of a module (embeddings, "
           "biases "
           "and modules saved whole are not supported)",
           file.source(), name);
  }
  return parts;
}

// Norms that outlive the pass they were computed in.
Tensor kept(const Tensor& norms) {
  auto memory = std::make_shared<std::vector<float>>(norms.values().begin(), norms.values().end());
  const void* data = memory->data();
  return Tensor(norms.shape(), DType::f32, std::move(memory), data);
}

}  // namespace

float AdapterConfig::scale(std::string_view path, int64_t rows) const {
  double numerator = alpha;
  for (const auto& [pattern, value] : alpha_pattern)
    if (names(pattern, path)) {
      numerator = value;
      break;
    }
  const auto r = static_cast<double>(rows);
  return static_cast<float>(numerator / (rslora ? std::sqrt(r) : r));
}

AdapterConfig read_adapter_config(Config config) {
  AdapterConfig out;
  config.choice("peft_type", {"LORA"});
  config.choice_or("task_type", "CAUSAL_LM", {"CAUSAL_LM"});
  out.rank = config.positive<int64_t>("r", 1 << 20);
  out.alpha = config.get<double>("lora_alpha");
  out.rslora = config.get_or<bool>("use_rslora", false);
  out.dora = config.get_or<bool>("use_dora", false);
  out.base = config.get_or<std::string>("base_model_name_or_path", "");
  config.choice_or("bias", "none", {"none"});
  if (const Json* targets = config.raw("target_modules"); targets && targets->is_array())
    for (const Json& target : *targets)
      if (target.is_string()) out.targets.push_back(target.get<std::string>());
  if (const Json* patterns = config.raw("alpha_pattern")) {
    if (!patterns->is_object()) fail(ErrorKind::bad_file, "{}: expected an object", config.where("alpha_pattern"));
    for (const auto& [pattern, value] : patterns->items()) {
      if (!value.is_number())
        fail(ErrorKind::bad_file, "{}.{}: expected a number", config.where("alpha_pattern"), pattern);
      if (!plain_name(pattern))
        fail(ErrorKind::unsupported, "{}: expected the names of modules, got the regular expression {}",
             config.where("alpha_pattern"), pattern);
      out.alpha_pattern.emplace_back(pattern, value.get<double>());
    }
  }
  // Starts that change the base's own weights: such an adapter is no change to the published ones.
  if (const Json* start = config.raw("init_lora_weights"); start && start->is_string()) {
    const auto& word = start->get_ref<const std::string&>();
    if (word != "gaussian" && word != "eva" && word != "orthogonal")
      fail(ErrorKind::unsupported, "{}: \"{}\" changes the base model's weights, which is not supported",
           config.where("init_lora_weights"), word);
  }
  if (const Json* none = config.raw("loftq_config"); none && !none->empty())
    fail(ErrorKind::unsupported, "{}: not supported", config.where("loftq_config"));
  // What the tensors say themselves, and what matters only to training.
  config.harmless({"auto_mapping", "peft_version", "revision", "inference_mode", "exclude_modules", "lora_dropout",
                   "layers_to_transform", "layers_pattern", "rank_pattern", "megatron_core", "qalora_group_size",
                   "eva_config", "runtime_config"});
  config.finish();
  return out;
}

std::shared_ptr<const Adapter> read_adapter(const AdapterConfig& config, const SafeTensors& tensors,
                                            std::span<const AdaptableWeight> weights, Workspace& workspace) {
  std::map<std::string_view, const Tensor*> bases;
  for (const AdaptableWeight& weight : weights) bases[weight.path] = &weight.weight;

  auto adapter = std::make_shared<Adapter>();
  for (const auto& [path, parts] : parts_of(tensors)) {
    const auto base = bases.find(path);
    if (base == bases.end())
      fail(ErrorKind::bad_file, "{}: changes {}, which is no module of this model that adapters can change",
           tensors.source(), path);
    if (!parts.a || !parts.b)
      fail(ErrorKind::bad_file, "{}: expected lora_A.weight and lora_B.weight of {}, there is only one",
           tensors.source(), path);
    const int64_t n = base->second->shape()[0], k = base->second->width();
    const int64_t rank = parts.a->shape.empty() ? 0 : parts.a->shape[0];
    if (rank < 1) fail(ErrorKind::bad_file, "{}: {}: expected at least one row in lora_A", tensors.source(), path);
    LowRank change{tensor_of(*parts.a, {rank, k}, tensors.source()),
                   tensor_of(*parts.b, {n, rank}, tensors.source()),
                   config.scale(path, rank),
                   {},
                   {}};
    if (config.dora != parts.magnitude.has_value())
      fail(ErrorKind::bad_file, "{}: {}: use_dora is {}, but a magnitude is {}", tensors.source(), path, config.dora,
           parts.magnitude ? "there" : "missing");
    if (parts.magnitude) {
      change.magnitude = tensor_of(*parts.magnitude, {n}, tensors.source());
      Pass pass(workspace);
      change.norms = kept(adapted_norms(pass, *base->second, change));
    }
    adapter->add(path, std::move(change));
  }
  if (adapter->changes().empty()) fail(ErrorKind::bad_file, "{}: changes nothing", tensors.source());
  return adapter;
}

std::shared_ptr<const Adapter> open_adapter(const std::filesystem::path& folder,
                                            std::span<const AdaptableWeight> weights, Workspace& workspace) {
  const AdapterConfig config = read_adapter_config(Config::open(folder / "adapter_config.json"));
  const auto file = folder / "adapter_model.safetensors";
  if (!std::filesystem::exists(file) && std::filesystem::exists(folder / "adapter_model.bin"))
    fail(ErrorKind::unsupported,
         "{}: a pickle can run code when it is read, and is not: expected adapter_model.safetensors",
         (folder / "adapter_model.bin").string());
  return read_adapter(config, SafeTensors::open(file), weights, workspace);
}

std::shared_ptr<const Adapter> make_adapter(const AdapterConfig& config, std::span<const AdaptableWeight> weights,
                                            Parameters& parameters, uint64_t seed, Workspace& workspace) {
  auto adapter = std::make_shared<Adapter>();
  std::vector<bool> met(config.targets.size());
  for (const AdaptableWeight& weight : weights) {
    bool wanted = false;
    for (size_t i = 0; i < config.targets.size(); ++i)
      if (names(config.targets[i], weight.path)) wanted = met[i] = true;
    if (!wanted) continue;
    const int64_t n = weight.weight.shape()[0], k = weight.weight.width();
    const std::string name = std::string(kPrefix) + weight.path;
    LowRank change{parameters.get(name + ".lora_A.weight", {config.rank, k}),
                   parameters.get(name + ".lora_B.weight", {n, config.rank}),
                   config.scale(weight.path, config.rank),
                   {},
                   {}};
    const size_t first = parameters.all().size() - 2;
    const uint64_t key = key_of(seed, name);
    const double bound = 1 / std::sqrt(static_cast<double>(k));
    auto& a = parameters.all()[first].master;
    for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>((2.0 * uniform(key, i) - 1) * bound);
    std::ranges::fill(parameters.all()[first + 1].master, 0.0f);
    if (config.dora) {
      Pass pass(workspace);  // B is zero as it was allocated, so these are W's own
      const Tensor norms = adapted_norms(pass, weight.weight, change);
      change.magnitude = parameters.get(name + ".lora_magnitude_vector", {n});
      std::ranges::copy(norms.values(), parameters.all().back().master.begin());
    }
    adapter->add(weight.path, std::move(change));
  }
  for (size_t i = 0; i < met.size(); ++i)
    if (!met[i])
      fail(ErrorKind::bad_request, "target_modules: no module of this model is called {}", config.targets[i]);
  parameters.publish(workspace.pool);
  return adapter;
}

void save_adapter(const std::filesystem::path& folder, const AdapterConfig& config, const Parameters& parameters) {
  OrderedJson json = {
      {"peft_type", "LORA"},
      {"task_type", "CAUSAL_LM"},
      {"base_model_name_or_path", config.base.empty() ? OrderedJson(nullptr) : OrderedJson(config.base)},
      {"r", config.rank},
      {"lora_alpha", config.alpha},
      {"use_rslora", config.rslora},
      {"use_dora", config.dora},
      {"target_modules", config.targets},
      {"bias", "none"},
      {"fan_in_fan_out", false},
      {"inference_mode", true}};
  if (!config.alpha_pattern.empty()) {
    json["alpha_pattern"] = OrderedJson::object();
    for (const auto& [pattern, alpha] : config.alpha_pattern) json["alpha_pattern"][pattern] = alpha;
  }
  std::filesystem::create_directories(folder);
  write_safetensors(folder / "adapter_model.safetensors", parameters.tensors(), {{"format", "pt"}});
  write_file(folder / "adapter_config.json", dump_ordered_json(json, 2) + "\n");
}

}  // namespace glassbox
