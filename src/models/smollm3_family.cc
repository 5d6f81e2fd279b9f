#include "formats/config_meaning.h"
#include "models/families.h"
#include "models/gguf_tables.h"

namespace glassbox {
namespace {

constexpr gguf::Names kNames[] = {gguf::kEnds, gguf::kRotatedAttention, gguf::kNormsBefore, gguf::kMlp};
constexpr gguf::Keys kKeys[] = {gguf::kShape, gguf::kRmsNorm};
constexpr std::string_view kOwnKeys[] = {"no_rope_layers"};

constexpr int64_t kInterval = 4;  // every fourth layer knows no positions
constexpr ConfigDefault kDefaults[] = {{"rope_theta", 2e6}, {"no_rope_layer_interval", kInterval}};

}  // namespace

constinit const Family kSmolLm3 = {
    .format = {.model_type = "smollm3",
               .class_name = "SmolLM3ForCausalLM",
               .defaults = kDefaults,
               .derive = [](Json& config) { config["no_rope_layers"] = turning_layers(config, kInterval); },
               .gguf = {.architecture = "smollm3",
                        .names = kNames,
                        .keys = kKeys,
                        .presences = gguf::kBiases,
                        .own_keys = kOwnKeys}},
    .models = "SmolLM3",
    .make = make_smollm3};

}  // namespace glassbox
