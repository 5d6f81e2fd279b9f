#include "formats/config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <numbers>
#include <utility>

#include "base/fields.h"
#include "base/quote.h"

namespace glassbox {
namespace {

// Keys any config.json may hold that change nothing about what the model computes.
constexpr std::string_view kHarmless[] = {
    // who wrote it, with what, from where
    "_name_or_path", "_commit_hash", "architectures", "auto_map", "model_name", "model_type", "transformers_version",
    "tokenizer_class", "unsloth_fixed", "unsloth_version", "is_llama_config", "transformers.js_config",
    "finetuning_task", "torchscript",
    // how weights were drawn before training, and noise during it
    "initializer_range", "attention_dropout", "hidden_dropout", "hidden_dropout_prob", "attention_probs_dropout_prob",
    "embd_pdrop", "resid_pdrop", "attn_pdrop", "dropout", "residual_dropout", "embedding_dropout",
    // dtype of the file: the tensors say it themselves
    "dtype", "torch_dtype",
    // ids and lengths of generation: read by generation_config.h
    "bos_token_id", "eos_token_id", "pad_token_id", "max_length", "max_new_tokens", "do_sample", "temperature", "top_k",
    "top_p",
    // how other programs run it
    "use_cache", "cache_implementation", "attn_implementation", "_attn_implementation", "_attn_implementation_autoset",
    "pretraining_tp", "use_bfloat16", "return_dict", "output_attentions", "output_hidden_states",
    "gradient_checkpointing", "chunk_size_feed_forward",
    // heads for classification that the checkpoint of a language model does not have
    "id2label", "label2id", "num_labels", "problem_type"};

// Factors of 1 and counts of nought.
constexpr std::string_view kFactors[] = {"attention_in_multiplier",
                                         "attention_out_multiplier",
                                         "attention_value_scale",
                                         "embedding_multiplier",
                                         "embedding_scale",
                                         "key_multiplier",
                                         "lm_head_multiplier",
                                         "logit_scale",
                                         "logits_scaling",
                                         "logits_mup_width_multiplier",
                                         "partial_rotary_factor",
                                         "residual_multiplier",
                                         "rope_ratio",
                                         "rotary_pct",
                                         "route_scale",
                                         "routed_scaling_factor",
                                         "router_scaling_factor",
                                         "scale_emb"};
constexpr std::string_view kCounts[] = {"first_k_dense_replace",
                                        "hidden_size_per_layer_input",
                                        "moe_num_experts",
                                        "moe_num_shared_experts",
                                        "n_routed_experts",
                                        "n_shared_experts",
                                        "num_experts",
                                        "num_experts_per_tok",
                                        "num_kv_shared_layers",
                                        "num_local_experts",
                                        "num_shared_experts",
                                        "shared_expert_intermediate_size",
                                        "shared_intermediate_size"};

bool is_among(std::span<const std::string_view> keys, std::string_view key) {
  return std::ranges::find(keys, key) != keys.end();
}

// Whether the value says of the key what would be so without it: false and null always do.
bool says_nothing(std::string_view key, const Json& value) {
  if (value.is_null() || value == false) return true;
  return (is_among(kFactors, key) && value == 1) || (is_among(kCounts, key) && value == 0);
}

}  // namespace

Json ConfigDefault::json() const {
  return std::visit([](const auto& each) { return Json(each); }, value);
}

struct Config::Node final : FieldReader<Json> {
  // `path`: of this object within the file: "", "rope_scaling".
  Node(std::shared_ptr<const Json> object, std::string source, std::string path)
      : FieldReader(*object, std::move(path)), held(std::move(object)), source(std::move(source)) {}

  std::shared_ptr<const Json> held;  // the file's, of which this object is a part
  std::string source;                // the file
  std::shared_ptr<const std::vector<std::string>> ignore;
  std::shared_ptr<std::vector<std::string>> warnings = std::make_shared<std::vector<std::string>>();
  bool whole = false;  // a configuration, not some settings of one
  KnownKeys known = nullptr;
  std::map<std::string, Json, std::less<>> defaults;
  std::map<std::string, std::string, std::less<>> refused;  // with any value but the one that was expected
  std::map<std::string, std::shared_ptr<Node>, std::less<>> children;

  using FieldReader::tick;
  const Json* peek(std::string_view key) const override {
    if (const Json* value = FieldReader::peek(key)) return value;
    const auto assumed = defaults.find(key);
    return assumed == defaults.end() ? nullptr : &assumed->second;
  }
  std::string where(std::string_view key) const { return fmt::format("{}: {}", source, path(key)); }
  [[noreturn]] void refuse(std::string_view key, const Fault& fault, const Json& got) const override {
    fail(ErrorKind::bad_file, "{}: expected {}, got {}", where(key), fault.expected(), brief(got));
  }

  // Every key left over, in this object and those within: known to change a model, let pass by a person, or neither.
  struct Leftovers {
    std::vector<std::string> refused, ignored, unread;
  };
  void sort_leftovers(Leftovers& left) const {
    for (const auto& [key, value] : object_.items()) {
      if (const auto child = children.find(key); child != children.end() && value.is_object()) {
        child->second->sort_leftovers(left);
        continue;
      }
      if (is_read(key)) continue;
      const std::string name = path(key);
      const auto other = refused.find(key);
      const bool harmless = whole && std::ranges::find(kHarmless, key) != std::end(kHarmless);
      if (other == refused.end() && (harmless || says_nothing(key, value))) continue;
      if (std::ranges::find(*ignore, name) != ignore->end()) {
        left.ignored.push_back(name);
      } else if (other != refused.end()) {
        left.refused.push_back(
            fmt::format("{}: {}, where only {} is computed", quote(name), brief(value), other->second));
      } else if (const std::string_view family = known ? known(key) : std::string_view(); !family.empty()) {
        left.refused.push_back(fmt::format("{}: {} of {}", quote(name), brief(value), family));
      } else {
        left.unread.push_back(quote(name));
      }
    }
  }
  Leftovers leftovers() const {
    Leftovers left;
    sort_leftovers(left);
    return left;
  }
};

namespace {

// The first few of a list, and how many more there are.
std::string first_of(const std::vector<std::string>& list) {
  constexpr size_t kShown = 8;
  const auto end = list.begin() + static_cast<ptrdiff_t>(std::min(kShown, list.size()));
  std::string text = fmt::format("{}", fmt::join(list.begin(), end, ", "));
  if (list.size() > kShown) text += fmt::format(" and {} more", list.size() - kShown);
  return text;
}

}  // namespace

Config::Config(Json object, std::string source, std::span<const std::string> ignore_keys) {
  if (!object.is_object()) fail(ErrorKind::bad_file, "{}: expected a JSON object, got {}", source, brief(object));
  node_ = std::make_shared<Node>(std::make_shared<const Json>(std::move(object)), std::move(source), "");
  node_->whole = true;
  node_->ignore = std::make_shared<std::vector<std::string>>(ignore_keys.begin(), ignore_keys.end());
}

Config Config::open(const std::filesystem::path& path, std::span<const std::string> ignore_keys) {
  std::error_code ignored;
  const std::filesystem::path file = std::filesystem::is_directory(path, ignored) ? path / "config.json" : path;
  return Config(read_json(file, kMaxConfig), file.string(), ignore_keys);
}

FieldReader<Json>& Config::fields() const { return *node_; }

const std::string& Config::source() const { return node_->source; }

std::string Config::where(std::string_view key) const { return node_->where(key); }

const Json* Config::raw(std::string_view key) const { return node_->find(key); }

bool Config::has(std::string_view key) const { return node_->has(key); }

void Config::assume(std::span<const ConfigDefault> defaults) const {
  for (const ConfigDefault& each : defaults) node_->defaults[std::string(each.key)] = each.json();
}

void Config::missing(std::string_view key) const {
  fail(ErrorKind::bad_file, "{}: expected a value, found none", where(key));
}

std::optional<Config> Config::object(std::string_view key) const {
  const Json* value = node_->object(key);
  if (!value) return std::nullopt;
  std::shared_ptr<Node>& child = node_->children[std::string(key)];
  if (!child) {
    child = std::make_shared<Node>(std::shared_ptr<const Json>(node_->held, value), node_->source, node_->path(key));
    child->ignore = node_->ignore;
    child->known = node_->known;
    child->warnings = node_->warnings;
  }
  return Config(child);
}

std::optional<Config> Config::nested_config(std::string_view key) const {
  std::optional<Config> within = object(key);
  if (!within) return within;
  within->node_->whole = true;
  within->node_->defaults = node_->defaults;
  return within;
}

std::string Config::choice(std::string_view key, std::initializer_list<std::string_view> known) const {
  const std::string value = get<std::string>(key);
  if (std::find(known.begin(), known.end(), value) == known.end())
    fail(ErrorKind::unsupported, "{}: expected {}, got {}", where(key), fmt::join(known, " or "), quote(value));
  return value;
}

std::string Config::choice_or(std::string_view key, std::string_view fallback,
                              std::initializer_list<std::string_view> known) const {
  return raw(key) ? choice(key, known) : std::string(fallback);
}

void Config::harmless(std::initializer_list<std::string_view> keys) const {
  for (const std::string_view key : keys) node_->tick(key);
}

void Config::expect(std::string_view key, const Json& value) const {
  if (*node_->peek(key) == value)
    harmless({key});
  else
    node_->refused.emplace(key, brief(value));
}

void Config::finish() const {
  const Node::Leftovers left = node_->leftovers();
  if (!left.refused.empty())
    fail(ErrorKind::unsupported,
         "{}: {} with a meaning this build does not know: {} (--ignore-key NAME reads on without it)", node_->source,
         left.refused.size() == 1 ? "a key" : "keys", first_of(left.refused));
  if (!left.unread.empty())
    warn(fmt::format("{}: {}: read by nothing, and by no published model that is known", node_->source,
                     first_of(left.unread)));
}

std::vector<std::string> Config::ignored() const { return node_->leftovers().ignored; }

void Config::judged_by(KnownKeys known) const {
  node_->known = known;
  for (const auto& [key, child] : node_->children) Config(child).judged_by(known);
}

bool Config::is_judged() const { return node_->known != nullptr; }

void Config::warn(std::string line) const {
  if (std::ranges::find(*node_->warnings, line) == node_->warnings->end()) node_->warnings->push_back(std::move(line));
}

const std::vector<std::string>& Config::warnings() const { return *node_->warnings; }

std::optional<DType> read_dtype(const Config& config) {
  std::optional<DType> result;
  for (const char* key : {"torch_dtype", "dtype"}) {
    std::optional<std::string> name = config.optional<std::string>(key);
    if (!name) continue;
    if (name->starts_with("torch.")) name->erase(0, 6);
    const std::optional<DType> type = dtype_named(*name);
    if (!type) fail(ErrorKind::unsupported, "{}: unknown dtype {}", config.where(key), quote(*name));
    if (result && *result != *type)
      fail(ErrorKind::bad_file, "{}: expected {} as torch_dtype says, got {}", config.where(key), info(*result).name,
           info(*type).name);
    result = type;
  }
  return result;
}

namespace {

constexpr double kMaxTheta = 1e12;

// `fallback`: what the configuration around says.
double read_rotated_part(const Config& config, double fallback, HeadRotation rotation) {
  const auto part = config.between_or<double>("partial_rotary_factor", fallback, 0.0, 1.0);
  if (rotation == HeadRotation::whole && part != 1.0)
    fail(ErrorKind::unsupported, "{}: expected 1 (all of a head turns), got {}", config.where("partial_rotary_factor"),
         part);
  return part;
}

// `scaling`: rope_scaling or rope_parameters, whose rope_theta counts before the one outside.
RopeConfig read_rope_object(const Config& config, const Config& scaling, double theta, double partial = 1.0,
                            HeadRotation rotation = HeadRotation::whole) {
  RopeConfig rope;
  rope.theta = scaling.between_or<double>("rope_theta", theta, 1.0, kMaxTheta);
  rope.partial_rotary_factor = read_rotated_part(scaling, partial, rotation);
  const std::optional<std::string> old_name = scaling.optional<std::string>("type");
  const std::optional<std::string> name = scaling.optional<std::string>("rope_type");
  if (old_name && name && *old_name != *name)
    fail(ErrorKind::bad_file, "{}: expected {} as type says, got {}", scaling.where("rope_type"), quote(*old_name),
         quote(*name));
  const std::string kind = name ? *name : old_name.value_or("default");
  if (kind == "default") return rope;
  if (kind != "linear" && kind != "llama3" && kind != "yarn")
    fail(ErrorKind::unsupported, "{}: expected default, linear, llama3 or yarn, got {}",
         scaling.where(name ? "rope_type" : "type"), quote(kind));
  constexpr double kMost = 1e6;
  if (kind == "linear") {
    rope.kind = RopeConfig::Kind::linear;
    rope.factor = scaling.between<double>("factor", 1.0, kMost);
    return rope;
  }
  if (kind == "llama3") {
    rope.kind = RopeConfig::Kind::llama3;
    rope.factor = scaling.between<double>("factor", 1.0, kMost);
    rope.low_freq_factor = scaling.between<double>("low_freq_factor", 1e-6, kMost);
    rope.high_freq_factor = scaling.between<double>("high_freq_factor", 1e-6, kMost);
    if (rope.high_freq_factor < rope.low_freq_factor)  // equal: nothing is blended
      fail(ErrorKind::bad_file, "{}: expected at least low_freq_factor {}, got {}", scaling.where("high_freq_factor"),
           rope.low_freq_factor, rope.high_freq_factor);
    rope.original_max_position_embeddings = scaling.positive<int64_t>("original_max_position_embeddings");
    return rope;
  }
  rope.kind = RopeConfig::Kind::yarn;
  const std::optional<int64_t> original = scaling.optional<int64_t>("original_max_position_embeddings");
  rope.original_max_position_embeddings = original ? scaling.positive<int64_t>("original_max_position_embeddings")
                                                   : config.positive<int64_t>("max_position_embeddings");
  if (scaling.has("factor")) {
    rope.factor = scaling.between<double>("factor", 1.0, kMost);
  } else {
    rope.factor =
        static_cast<double>(config.between<int64_t>("max_position_embeddings", rope.original_max_position_embeddings,
                                                    std::numeric_limits<int32_t>::max())) /
        static_cast<double>(rope.original_max_position_embeddings);
  }
  rope.beta_fast = scaling.between_or<double>("beta_fast", 32.0, 1e-6, kMost);
  rope.beta_slow = scaling.between_or<double>("beta_slow", 1.0, 1e-6, kMost);
  rope.truncate = scaling.get_or<bool>("truncate", true);
  rope.mscale = scaling.between_or<double>("mscale", 0.0, 0.0, kMost);
  rope.mscale_all_dim = scaling.between_or<double>("mscale_all_dim", 0.0, 0.0, kMost);
  rope.attention_factor = rope.mscale > 0 && rope.mscale_all_dim > 0
                              ? yarn_mscale(rope.factor, rope.mscale) / yarn_mscale(rope.factor, rope.mscale_all_dim)
                              : yarn_mscale(rope.factor);
  rope.attention_factor = scaling.between_or<double>("attention_factor", rope.attention_factor, 1e-6, kMost);
  return rope;
}

}  // namespace

float rope_frequency(double theta, int64_t width, int64_t pair) {
  const auto exponent = static_cast<float>(2 * pair) / static_cast<float>(width);
  return static_cast<float>(1 / std::pow(theta, static_cast<double>(exponent)));
}

double llama3_kept(const RopeConfig& rope, float frequency) {
  const double wavelength = 2 * std::numbers::pi / static_cast<double>(frequency);
  const auto original = static_cast<double>(rope.original_max_position_embeddings);
  if (wavelength < original / rope.high_freq_factor) return 1;
  if (wavelength >= original / rope.low_freq_factor) return 0;
  return (original / wavelength - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
}

double yarn_mscale(double factor, double mscale) { return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0; }

int64_t rotated_width(double partial_rotary_factor, int64_t head_dim) {
  return static_cast<int64_t>(static_cast<double>(head_dim) * partial_rotary_factor);
}

RopeConfig read_rope(const Config& config, HeadRotation rotation) {
  const std::optional<Config> old_form = config.object("rope_scaling"), new_form = config.object("rope_parameters");
  const double theta = config.between_or<double>("rope_theta", RopeConfig{}.theta, 1.0, kMaxTheta);
  const double partial = read_rotated_part(config, 1.0, rotation);
  RopeConfig rope;
  rope.theta = theta;
  rope.partial_rotary_factor = partial;
  if (new_form) rope = read_rope_object(config, *new_form, theta, partial, rotation);
  if (old_form) {
    const RopeConfig old_rope = read_rope_object(config, *old_form, theta, partial, rotation);
    if (new_form && old_rope != rope)
      fail(ErrorKind::bad_file, "{}: rope_scaling and rope_parameters differ", config.source());
    rope = old_rope;
  }
  if (config.has("rope_theta") && rope.theta != theta)
    fail(ErrorKind::bad_file, "{}: expected {} as within {}, got {}", config.where("rope_theta"), rope.theta,
         new_form ? "rope_parameters" : "rope_scaling", theta);
  return rope;
}

RopeConfigs read_ropes(const Config& config) {
  RopeConfigs ropes;
  const auto local_theta = [&](double theta) {
    return config.between_or<double>("rope_local_base_freq", theta, 1.0, kMaxTheta);
  };
  const std::optional<Config> new_form = config.object("rope_parameters");
  if (!new_form) {
    ropes.full = read_rope(config);
    ropes.sliding.theta = local_theta(ropes.full.theta);
    return ropes;
  }
  // Beside the newer spelling the older keys would have to mean the same; no published file has both.
  const double theta = config.between_or<double>("rope_theta", RopeConfig{}.theta, 1.0, kMaxTheta);
  const std::optional<Config> full = new_form->object("full_attention"),
                              sliding = new_form->object("sliding_attention");
  if (!full && !sliding)
    fail(ErrorKind::unsupported, "{}: expected full_attention and sliding_attention, got settings for all layers",
         config.where("rope_parameters"));
  ropes.full.theta = theta;
  if (full) ropes.full = read_rope_object(config, *full, theta);
  ropes.sliding.theta = local_theta(theta);
  if (sliding) ropes.sliding = read_rope_object(config, *sliding, ropes.sliding.theta);
  return ropes;
}

std::vector<bool> read_sliding_layers(const Config& config, int64_t layers,
                                      const std::function<bool(int64_t layer)>& otherwise, std::string_view kind) {
  std::vector<bool> sliding;
  const auto types = config.optional<std::vector<std::string>>("layer_types");
  if (!types) {
    for (int64_t layer = 0; layer < layers; ++layer) sliding.push_back(otherwise(layer));
    return sliding;
  }
  if (static_cast<int64_t>(types->size()) != layers)
    fail(ErrorKind::bad_file, "{}: expected {} layers, got {}", config.where("layer_types"), layers, types->size());
  for (const std::string& type : *types) {
    if (type != "full_attention" && type != kind)
      fail(ErrorKind::unsupported, "{}: expected full_attention or {}, got {}", config.where("layer_types"), kind,
           quote(type));
    sliding.push_back(type == kind);
  }
  return sliding;
}

}  // namespace glassbox
