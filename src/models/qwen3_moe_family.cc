#include "models/families.h"
#include "models/gguf_tables.h"

namespace glassbox {
namespace {

constexpr gguf::Names kNames[] = {gguf::kEnds,        gguf::kAttention, gguf::kQueryKeyNorms,
                                  gguf::kNormsBefore, gguf::kMlp,       gguf::kExperts};
constexpr gguf::Keys kKeys[] = {gguf::kShape, gguf::kRmsNorm, gguf::kExpertCounts, gguf::kExpertWidth};
constexpr std::string_view kOwnKeys[] = {"decoder_sparse_step", "mlp_only_layers", "norm_topk_prob", "use_qk_norm"};

// What every published model of the family has and GGUF does not say.
void read(GgufKeys&, Json& config) {
  config["norm_topk_prob"] = true;
  config["decoder_sparse_step"] = 1;
  config["mlp_only_layers"] = Json::array();
}

}  // namespace

constinit const Family kQwen3Moe = {.format = {.model_type = "qwen3_moe",
                                               .class_name = "Qwen3MoeForCausalLM",
                                               .gguf = {.architecture = "qwen3moe",
                                                        .names = kNames,
                                                        .keys = kKeys,
                                                        .presences = gguf::kAttentionBias,
                                                        .own_keys = kOwnKeys,
                                                        .read = read}},
                                    .models = "Qwen3 mixtures (30B-A3B, 235B-A22B, Coder)",
                                    .make = make_qwen3_moe};

}  // namespace glassbox
