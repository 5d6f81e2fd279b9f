// Gemma 2 and 3: norms scale by 1 + w, and GGUF holds the sum.
#include "formats/gguf_keys.h"
#include "models/families.h"
#include "models/gguf_tables.h"

namespace glassbox {
namespace {

constexpr gguf::Name kEnds[] = {
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm", gguf::plus_one},
    {"output", "lm_head"},
};
constexpr gguf::Name kNorms[] = {
    {"blk.{}.attn_norm", "model.layers.{}.input_layernorm", gguf::plus_one},
    {"blk.{}.post_attention_norm", "model.layers.{}.post_attention_layernorm", gguf::plus_one},
    {"blk.{}.ffn_norm", "model.layers.{}.pre_feedforward_layernorm", gguf::plus_one},
    {"blk.{}.post_ffw_norm", "model.layers.{}.post_feedforward_layernorm", gguf::plus_one},
};
constexpr gguf::Name kQueryKeyNorms[] = {
    {"blk.{}.attn_q_norm", "model.layers.{}.self_attn.q_norm", gguf::plus_one},
    {"blk.{}.attn_k_norm", "model.layers.{}.self_attn.k_norm", gguf::plus_one},
};
constexpr gguf::Names kNames2[] = {kEnds, gguf::kAttention, kNorms, gguf::kMlp};
constexpr gguf::Names kNames3[] = {kEnds, gguf::kAttention, kQueryKeyNorms, kNorms, gguf::kMlp};

constexpr gguf::Key kSoftcaps[] = {
    {"attn_logit_softcapping", "attn_logit_softcapping", gguf::real},
    {"final_logit_softcapping", "final_logit_softcapping", gguf::real},
};
constexpr gguf::Keys kKeys[] = {gguf::kShape, gguf::kRmsNorm, gguf::kWindow, kSoftcaps};
constexpr std::string_view kOwnKeys[] = {"attn_logit_softcapping", "query_pre_attn_scalar"};

constexpr std::string_view kActivation = "gelu_pytorch_tanh";
constexpr double kLocalTheta = 1e4;
constexpr ConfigDefault kDefaults2[] = {{"sliding_window", 4096, true}};
constexpr ConfigDefault kDefaults3[] = {{"rope_theta", 1e6},
                                        {"rope_local_base_freq", kLocalTheta},
                                        {"rms_norm_eps", 1e-6, true},
                                        {"sliding_window", 4096, true}};

// `largest`: how many layers the model has that scales scores by the width its heads would have, as llama.cpp does; the
// others scale by the heads' own.
void read(int64_t largest, Json& config) {
  config["hidden_activation"] = kActivation;
  config["query_pre_attn_scalar"] =
      config["num_hidden_layers"] == largest
          ? config["hidden_size"].get<int64_t>() / config["num_attention_heads"].get<int64_t>()
          : config["head_dim"].get<int64_t>();
  for (const char* cap : {"attn_logit_softcapping", "final_logit_softcapping"})
    if (!config.contains(cap)) config[cap] = nullptr;
}

constexpr FamilyFormat kText = {.model_type = "gemma3_text",
                                .class_name = "Gemma3ForCausalLM",
                                .defaults = kDefaults3,
                                .activation = kActivation,
                                .gguf = {.architecture = "gemma3",
                                         .names = kNames3,
                                         .keys = kKeys,
                                         .windows = {.period = 6, .full = 5},
                                         .own_keys = kOwnKeys,
                                         .read = [](GgufKeys& from, Json& config) {
                                           read(62, config);
                                           config["rope_local_base_freq"] =
                                               from.real("rope.freq_base_swa").value_or(kLocalTheta);
                                         }}};

}  // namespace

constinit const Family kGemma2 = {.format = {.model_type = "gemma2",
                                             .class_name = "Gemma2ForCausalLM",
                                             .defaults = kDefaults2,
                                             .activation = kActivation,
                                             .gguf = {.architecture = "gemma2",
                                                      .names = kNames2,
                                                      .keys = kKeys,
                                                      .windows = {.period = 2, .full = 1},
                                                      .own_keys = kOwnKeys,
                                                      .read = [](GgufKeys&, Json& config) { read(46, config); }}},
                                  .models = "Gemma 2",
                                  .make = make_gemma2};

constinit const Family kGemma3 = {
    .format = within(kText, "gemma3", "Gemma3ForConditionalGeneration", "language_model."),
    .models = "Gemma 3 4B to 27B, without pictures",
    .make = make_gemma3};

constinit const Family kGemma3Text = {.format = kText, .models = "Gemma 3, text", .make = make_gemma3_text};

}  // namespace glassbox
