#include "nn/peft.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/quote.h"
#include "base/random.h"
#include "nn/peft_experts.h"
#include "unicode/python_regex.h"

namespace glassbox {
namespace {

constexpr std::string_view kPrefix = "base_model.model.";

using Kind = AdaptableWeight::Kind;

// As peft's get_pattern_key: an expression for a whole path, or for how it ends after a dot.
bool matches(std::string_view pattern, std::string_view path) {
  return PythonRegex::compile(fmt::format("(.*\\.)?({})$", pattern), "pattern").match(path);
}

bool names(std::string_view pattern, std::string_view path) {
  if (pattern.starts_with('^')) return path == pattern.substr(1);
  return path == pattern || (path.ends_with(pattern) && path[path.size() - pattern.size() - 1] == '.');
}

// What an adapter's checkpoint holds of one module, by the ends of its keys.
struct Parts {
  std::optional<RawTensor> a, b, magnitude;
  bool embedding = false;
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

struct Contents {
  std::map<std::string, Parts> changes;                         // by module
  std::vector<std::pair<std::string, RawTensor>> replacements;  // by the weight's own name
};

Contents contents_of(const SafeTensors& file) {
  Contents contents;
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
    const auto parts = [&]() -> Parts& { return contents.changes[std::string(path)]; };
    const auto raw = file.find(name);
    if (strip(".lora_A.weight")) {
      parts().a = raw;
    } else if (strip(".lora_B.weight")) {
      parts().b = raw;
    } else if (strip(".lora_embedding_A")) {
      parts().a = raw;
      parts().embedding = true;
    } else if (strip(".lora_embedding_B")) {
      parts().b = raw;
      parts().embedding = true;
    } else if (strip(".lora_magnitude_vector") || strip(".lora_magnitude_vector.weight")) {
      parts().magnitude = raw;
    } else if (path.find(".lora_") == path.npos && (path.ends_with(".weight") || path.ends_with(".bias"))) {
      // Of a module saved whole, or the base of one that is changed (its bias, or a table that was saved beside).
      std::string own(path);
      constexpr std::string_view kWrapped = ".base_layer.";
      if (const size_t at = own.find(kWrapped); at != own.npos) own.replace(at, kWrapped.size(), ".");
      contents.replacements.emplace_back(std::move(own), *raw);
    } else {
      fail(ErrorKind::unsupported,
           "{}: tensor {}: expected lora_A.weight, lora_B.weight, lora_embedding_A, lora_embedding_B or "
           "lora_magnitude_vector of a module, or a weight or bias in the place of its own",
           file.source(), name);
    }
  }
  return contents;
}

// Norms that outlive the pass they were computed in.
Tensor kept(const Tensor& norms) {
  auto memory = std::make_shared<std::vector<float>>(norms.values().begin(), norms.values().end());
  const void* data = memory->data();
  return Tensor(norms.shape(), DType::f32, std::move(memory), data);
}

// Settings of peft's LoraConfig (0.21.2) that change what an adapter computes, beside those that are read here.
std::string_view changes_the_adapter(std::string_view key) {
  static constexpr std::string_view kKnown[] = {
      "alora_invocation_tokens", "arrow_config", "corda_config",   "fan_in_fan_out",  "kasa_config",
      "layer_replication",       "lora_bias",    "lora_ga_config", "megatron_config", "monteclora_config",
      "trainable_token_indices", "use_bdlora",   "use_qalora",     "velora_config"};
  return std::ranges::find(kKnown, key) == std::end(kKnown) ? "" : "peft";
}

struct Reader {
  Reader(const AdapterConfig& config, const std::string& source, std::span<const AdaptableWeight> weights,
         Workspace& workspace)
      : config(config), source(source), weights(weights), workspace(workspace) {
    for (const AdaptableWeight& weight : weights) {
      if (weight.kind != Kind::vector) by_path[weight.path] = &weight;
      if (weight.can_be_replaced()) by_name[weight.path + "." + weight.parameter] = &weight;
    }
  }

  std::shared_ptr<Adapter> read(const Contents& contents) {
    for (const auto& [name, raw] : contents.replacements) replace(name, raw);
    for (const auto& [path, parts] : contents.changes) change(path, parts);
    if (adapter->changes().empty() && adapter->replacements().empty())
      fail(ErrorKind::bad_file, "{}: changes nothing", source);
    check_saved();
    check_ties();
    return adapter;
  }

 private:
  void replace(const std::string& name, const RawTensor& raw) {
    const auto found = by_name.find(name);
    if (found == by_name.end())
      fail(ErrorKind::bad_file,
           "{}: tensor {}: replaces {}, which is no weight of this model that adapters can replace", source, raw.name,
           name);
    adapter->replace(name, tensor_of(raw, found->second->weight.shape(), source));
  }

  // How many rows A has, checked.
  int64_t rank_of(const std::string& path, const Parts& parts) const {
    if (!parts.a || !parts.b)
      fail(ErrorKind::bad_file, "{}: expected both factors of {}, lora_A and lora_B, there is only one", source, path);
    const int64_t rank = parts.a->shape.empty() ? 0 : parts.a->shape[0];
    if (rank < 1) fail(ErrorKind::bad_file, "{}: {}: expected at least one row in lora_A", source, path);
    return rank;
  }

  void change(const std::string& path, const Parts& parts) {
    const auto base = by_path.find(path);
    if (base != by_path.end()) return change_module(*base->second, parts);
    const ExpertParameter stack = expert_parameter(path, config.parameters, by_path);
    if (!stack)
      fail(ErrorKind::bad_file, "{}: changes {}, which is no module of this model that adapters can change", source,
           path);
    rank_of(path, parts);
    if (parts.magnitude || config.dora)
      fail(ErrorKind::unsupported, "{}: {}: use_dora is not supported for parameters that stack experts", source, path);
    if (parts.embedding) fail(ErrorKind::bad_file, "{}: {}: is no embedding", source, path);
    for (ExpertChange& expert : expert_changes(stack, *parts.a, *parts.b, by_path, source)) {
      const std::string parameter = fmt::format("{}.{}", path.substr(0, path.find(".base_layer")), stack.parameter);
      expert.change.scale = config.scale(parameter, expert.change.a.shape()[0]);
      if (adapter->find(expert.path))
        fail(ErrorKind::bad_file, "{}: {}: an expert's weight is changed twice", source, expert.path);
      adapter->add(expert.path, std::move(expert.change));
    }
  }

  void change_module(const AdaptableWeight& base, const Parts& parts) {
    const std::string& path = base.path;
    const int64_t rank = rank_of(path, parts);
    const bool embedding = base.kind == Kind::embedding;
    if (base.kind == Kind::expert_rows || base.kind == Kind::expert_columns || embedding != parts.embedding)
      fail(ErrorKind::bad_file, "{}: {}: expected {}", source, path,
           embedding ? "lora_embedding_A and lora_embedding_B" : "lora_A.weight and lora_B.weight of a module");
    const int64_t rows = base.weight.shape()[0], width = base.weight.width();
    const int64_t n = embedding ? width : rows, k = embedding ? rows : width;
    // A parameter that was targeted itself is known to patterns by its own name.
    const std::string parameter = path + "." + base.parameter;
    const bool targeted = std::ranges::any_of(config.parameters, [&](const auto& p) { return names(p, parameter); });
    LowRank change{tensor_of(*parts.a, {rank, k}, source),
                   tensor_of(*parts.b, {n, rank}, source),
                   config.scale(targeted ? parameter : path, rank),
                   {},
                   {}};
    if (config.dora && base.kind == Kind::latent)
      fail(ErrorKind::unsupported, "{}: {}: use_dora is not supported for kv_b_proj of latent attention", source, path);
    if (config.dora != parts.magnitude.has_value())
      fail(ErrorKind::bad_file, "{}: {}: use_dora is {}, but a magnitude is {}", source, path, config.dora,
           parts.magnitude ? "there" : "missing");
    if (parts.magnitude) {
      change.magnitude = tensor_of(*parts.magnitude, {n}, source);
      const Tensor* other = adapter->replacement(parameter);
      const Tensor& w = other ? *other : base.weight;
      Pass pass(workspace);
      change.norms = kept(embedding ? adapted_table_norms(pass, w, change) : adapted_norms(pass, w, change));
    }
    adapter->add(path, std::move(change));
  }

  // What was to be saved whole must be there.
  void check_saved() const {
    for (const std::string& module : config.saved)
      for (const auto& [name, weight] : by_name)
        if (weight->path.ends_with(module) && !adapter->replacement(name))
          fail(ErrorKind::bad_file, "{}: modules_to_save has {}, but there is no {}", source, module, name);
  }

  void check_ties() const {
    if (!config.ties) return;
    const auto touched = [&](std::string_view module) {
      const auto ends = [&](const std::string& path) { return path.ends_with(module); };
      for (const auto& [path, change] : adapter->changes())
        if (ends(path)) return true;
      for (const auto& [name, weight] : adapter->replacements())
        if (ends(name.substr(0, name.rfind('.')))) return true;
      return false;
    };
    if (touched("embed_tokens") != touched("lm_head"))
      fail(ErrorKind::unsupported,
           "{}: ensure_weight_tying: expected tensors of embed_tokens and lm_head or of neither", source);
  }

  const AdapterConfig& config;
  const std::string& source;
  std::span<const AdaptableWeight> weights;
  Workspace& workspace;
  AdaptableByPath by_path, by_name;
  std::shared_ptr<Adapter> adapter = std::make_shared<Adapter>();
};

}  // namespace

float AdapterConfig::scale(std::string_view path, int64_t rows) const {
  double numerator = alpha;
  for (const auto& [pattern, value] : alpha_pattern)
    if (matches(pattern, path)) {
      numerator = value;
      break;
    }
  const auto r = static_cast<double>(rows);
  const double scale = numerator / (rslora ? std::sqrt(r) : r);
  if (!(std::abs(scale) <= std::numeric_limits<float>::max()))
    fail(ErrorKind::bad_file, "lora_alpha: expected a scale that float32 holds, got {} for {}, of rank {}", numerator,
         path, rows);
  return static_cast<float>(scale);
}

AdapterConfig read_adapter_config(Config config) {
  AdapterConfig out;
  config.judged_by(changes_the_adapter);
  config.choice("peft_type", {"LORA"});
  config.choice_or("task_type", "CAUSAL_LM", {"CAUSAL_LM"});
  out.rank = config.positive<int64_t>("r", 1 << 20);
  out.alpha = config.get<double>("lora_alpha");
  out.rslora = config.get_or<bool>("use_rslora", false);
  out.dora = config.get_or<bool>("use_dora", false);
  out.base = config.get_or<std::string>("base_model_name_or_path", "");
  config.choice_or("bias", "none", {"none", "all", "lora_only"});  // those trained are among the tensors
  if (const Json* targets = config.raw("target_modules"); targets && targets->is_array())
    for (const Json& target : *targets)
      if (target.is_string()) out.targets.push_back(target.get<std::string>());
  out.parameters = config.get_or<std::vector<std::string>>("target_parameters", {});
  out.saved = config.get_or<std::vector<std::string>>("modules_to_save", {});
  out.ties = config.get_or<bool>("ensure_weight_tying", false);
  if (const Json* patterns = config.raw("alpha_pattern")) {
    if (!patterns->is_object()) fail(ErrorKind::bad_file, "{}: expected an object", config.where("alpha_pattern"));
    for (const auto& [pattern, value] : patterns->items()) {
      if (!value.is_number())
        fail(ErrorKind::bad_file, "{}.{}: expected a number, got {}", config.where("alpha_pattern"), quote(pattern),
             brief(value));
      try {
        matches(pattern, "");
      } catch (const Error& error) {
        fail(error.kind(), "{}.{}: {}", config.where("alpha_pattern"), quote(pattern), error.what());
      }
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
  out.warnings = config.warnings();
  return out;
}

std::shared_ptr<Adapter> read_adapter(const AdapterConfig& config, const SafeTensors& tensors,
                                      std::span<const AdaptableWeight> weights, Workspace& workspace) {
  return Reader{config, tensors.source(), weights, workspace}.read(contents_of(tensors));
}

std::shared_ptr<Adapter> open_adapter(const std::filesystem::path& folder, std::span<const AdaptableWeight> weights,
                                      Workspace& workspace) {
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
    if (!wanted || weight.kind == Kind::vector) continue;
    if (weight.kind == Kind::expert_rows || weight.kind == Kind::expert_columns)
      fail(ErrorKind::unsupported, "target_modules: {} is one of a stack, of which none can be trained alone",
           weight.path);
    const bool embedding = weight.kind == Kind::embedding;
    const int64_t rows = weight.weight.shape()[0], width = weight.weight.width();
    const int64_t n = embedding ? width : rows, k = embedding ? rows : width;
    const std::string name = std::string(kPrefix) + weight.path;
    LowRank change{parameters.get(name + (embedding ? ".lora_embedding_A" : ".lora_A.weight"), {config.rank, k}),
                   parameters.get(name + (embedding ? ".lora_embedding_B" : ".lora_B.weight"), {n, config.rank}),
                   config.scale(weight.path, config.rank),
                   {},
                   {}};
    const size_t first = parameters.all().size() - 2;
    const uint64_t key = key_of(seed, name);
    // A row of an embedding's A is as long as the vocabulary, and a step moves few of its numbers: B is what is drawn.
    const double bound = 1 / std::sqrt(static_cast<double>(embedding ? config.rank : k));
    auto& drawn = parameters.all()[first + (embedding ? 1 : 0)].master;
    for (size_t i = 0; i < drawn.size(); ++i) drawn[i] = static_cast<float>((2.0 * uniform(key, i) - 1) * bound);
    std::ranges::fill(parameters.all()[first + (embedding ? 0 : 1)].master, 0.0f);
    if (config.dora) {
      if (weight.kind == Kind::latent) fail(ErrorKind::unsupported, "use_dora is not supported for {}", weight.path);
      Pass pass(workspace);  // what is zero is so as it was allocated, so these are W's own
      const Tensor norms =
          embedding ? adapted_table_norms(pass, weight.weight, change) : adapted_norms(pass, weight.weight, change);
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
