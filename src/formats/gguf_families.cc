#include "formats/gguf_families.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace glassbox {
namespace {

using Name = GgufNameRule;
using Key = GgufKeyRule;
using enum GgufChange;
using enum GgufKeyRule::Kind;

// Pieces that families share.

constexpr Name kEnds[] = {
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
};
constexpr Name kEndsPlusOne[] = {
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm", plus_one},
    {"output", "lm_head"},
};
constexpr Name kAttention[] = {
    {"blk.{}.attn_q", "model.layers.{}.self_attn.q_proj"},
    {"blk.{}.attn_k", "model.layers.{}.self_attn.k_proj"},
    {"blk.{}.attn_v", "model.layers.{}.self_attn.v_proj"},
    {"blk.{}.attn_output", "model.layers.{}.self_attn.o_proj"},
};
constexpr Name kRotatedAttention[] = {
    {"blk.{}.attn_q", "model.layers.{}.self_attn.q_proj", rotary_q},
    {"blk.{}.attn_k", "model.layers.{}.self_attn.k_proj", rotary_k},
    {"blk.{}.attn_v", "model.layers.{}.self_attn.v_proj"},
    {"blk.{}.attn_output", "model.layers.{}.self_attn.o_proj"},
};
constexpr Name kQueryKeyNorms[] = {
    {"blk.{}.attn_q_norm", "model.layers.{}.self_attn.q_norm"},
    {"blk.{}.attn_k_norm", "model.layers.{}.self_attn.k_norm"},
};
constexpr Name kNormsBefore[] = {
    {"blk.{}.attn_norm", "model.layers.{}.input_layernorm"},
    {"blk.{}.ffn_norm", "model.layers.{}.post_attention_layernorm"},
};
constexpr Name kMlp[] = {
    {"blk.{}.ffn_gate", "model.layers.{}.mlp.gate_proj"},
    {"blk.{}.ffn_up", "model.layers.{}.mlp.up_proj"},
    {"blk.{}.ffn_down", "model.layers.{}.mlp.down_proj"},
};
constexpr Name kExperts[] = {
    {"blk.{}.ffn_gate_inp", "model.layers.{}.mlp.gate"},
    {"blk.{}.ffn_gate_exps", "model.layers.{}.mlp.experts.#.gate_proj", expert},
    {"blk.{}.ffn_up_exps", "model.layers.{}.mlp.experts.#.up_proj", expert},
    {"blk.{}.ffn_down_exps", "model.layers.{}.mlp.experts.#.down_proj", expert},
};

constexpr Key kShape[] = {
    {"block_count", "num_hidden_layers", integer},
    {"context_length", "max_position_embeddings", integer},
    {"embedding_length", "hidden_size", integer},
    {"feed_forward_length", "intermediate_size", integer},
    {"attention.head_count", "num_attention_heads", integer},
    {"attention.head_count_kv", "num_key_value_heads", integer},
};
constexpr Key kRmsNorm[] = {{"attention.layer_norm_rms_epsilon", "rms_norm_eps", real}};
constexpr Key kWindow[] = {{"attention.sliding_window", "sliding_window", integer}};
constexpr Key kMixture[] = {{"expert_used_count", "num_experts_per_tok", integer}};
constexpr Key kExpertWidth[] = {{"expert_feed_forward_length", "moe_intermediate_size", integer}};

// Llama, and who calls itself llama in GGUF: Mistral, SmolLM2, TinyLlama ...

constexpr std::span<const Name> kLlamaNames[] = {kEnds, kRotatedAttention, kNormsBefore, kMlp};
constexpr std::span<const Key> kLlamaKeys[] = {kShape, kRmsNorm};

constexpr std::span<const Key> kMistralKeys[] = {kShape, kRmsNorm, kWindow};

// Mixtral: Mistral with experts, whose matrices are numbered.

constexpr Name kMixtralExperts[] = {
    {"blk.{}.ffn_gate_inp", "model.layers.{}.block_sparse_moe.gate"},
    {"blk.{}.ffn_gate_exps", "model.layers.{}.block_sparse_moe.experts.#.w1", expert},
    {"blk.{}.ffn_up_exps", "model.layers.{}.block_sparse_moe.experts.#.w3", expert},
    {"blk.{}.ffn_down_exps", "model.layers.{}.block_sparse_moe.experts.#.w2", expert},
};
constexpr Key kMixtralCount[] = {{"expert_count", "num_local_experts", integer}};
constexpr std::span<const Name> kMixtralNames[] = {kEnds, kRotatedAttention, kNormsBefore, kMixtralExperts};
constexpr std::span<const Key> kMixtralKeys[] = {kShape, kRmsNorm, kWindow, kMixture, kMixtralCount};

// Qwen.

constexpr std::span<const Name> kQwen2Names[] = {kEnds, kAttention, kNormsBefore, kMlp};
constexpr std::span<const Key> kQwen2Keys[] = {kShape, kRmsNorm};

constexpr std::span<const Name> kQwen3Names[] = {kEnds, kAttention, kQueryKeyNorms, kNormsBefore, kMlp};

constexpr Key kQwenMixture[] = {
    {"expert_count", "num_experts", integer},
    {"expert_used_count", "num_experts_per_tok", integer},
};
constexpr std::span<const Name> kQwen3MoeNames[] = {kEnds, kAttention, kQueryKeyNorms, kNormsBefore, kMlp, kExperts};
constexpr std::span<const Key> kQwen3MoeKeys[] = {kShape, kRmsNorm, kQwenMixture, kExpertWidth};

// OLMo: the first has norms without weights, the second norms what attention and MLP add.

constexpr Name kOlmoEnds[] = {{"token_embd", "model.embed_tokens"}, {"output", "lm_head"}};
constexpr Key kOlmoNorm[] = {{"attention.clamp_kqv", "clip_qkv", real}};
constexpr std::span<const Name> kOlmoNames[] = {kOlmoEnds, kRotatedAttention, kMlp};
constexpr std::span<const Key> kOlmoKeys[] = {kShape, kOlmoNorm};

constexpr Name kNormsAfter[] = {
    {"blk.{}.post_attention_norm", "model.layers.{}.post_attention_layernorm"},
    {"blk.{}.post_ffw_norm", "model.layers.{}.post_feedforward_layernorm"},
};
constexpr std::span<const Name> kOlmo2Names[] = {kEnds, kAttention, kQueryKeyNorms, kNormsAfter, kMlp};
constexpr std::span<const Key> kOlmo2Keys[] = {kShape, kRmsNorm};
constexpr std::span<const Key> kOlmo3Keys[] = {kShape, kRmsNorm, kWindow};

constexpr std::span<const Name> kOlmoeNames[] = {kEnds, kAttention, kQueryKeyNorms, kNormsBefore, kExperts};
constexpr std::span<const Key> kOlmoeKeys[] = {kShape, kRmsNorm, kQwenMixture};

// Gemma: norms scale by 1 + w, and GGUF holds the sum.

constexpr Name kGemmaNorms[] = {
    {"blk.{}.attn_norm", "model.layers.{}.input_layernorm", plus_one},
    {"blk.{}.post_attention_norm", "model.layers.{}.post_attention_layernorm", plus_one},
    {"blk.{}.ffn_norm", "model.layers.{}.pre_feedforward_layernorm", plus_one},
    {"blk.{}.post_ffw_norm", "model.layers.{}.post_feedforward_layernorm", plus_one},
};
constexpr Name kGemmaQueryKeyNorms[] = {
    {"blk.{}.attn_q_norm", "model.layers.{}.self_attn.q_norm", plus_one},
    {"blk.{}.attn_k_norm", "model.layers.{}.self_attn.k_norm", plus_one},
};
constexpr Key kSoftcaps[] = {
    {"attn_logit_softcapping", "attn_logit_softcapping", real},
    {"final_logit_softcapping", "final_logit_softcapping", real},
};
constexpr std::span<const Name> kGemma2Names[] = {kEndsPlusOne, kAttention, kGemmaNorms, kMlp};
constexpr std::span<const Key> kGemma2Keys[] = {kShape, kRmsNorm, kWindow, kSoftcaps};
constexpr std::span<const Name> kGemma3Names[] = {kEndsPlusOne, kAttention, kGemmaQueryKeyNorms, kGemmaNorms, kMlp};

// DeepSeek: latent attention, whose kv_b_proj is split so that queries can be taken to the latent's space; V3's further
// layer, which drafts, is one of the file's blocks.

constexpr Name kLatentAttention[] = {
    {"blk.{}.attn_q", "model.layers.{}.self_attn.q_proj"},
    {"blk.{}.attn_q_a", "model.layers.{}.self_attn.q_a_proj"},
    {"blk.{}.attn_q_a_norm", "model.layers.{}.self_attn.q_a_layernorm"},
    {"blk.{}.attn_q_b", "model.layers.{}.self_attn.q_b_proj"},
    {"blk.{}.attn_kv_a_mqa", "model.layers.{}.self_attn.kv_a_proj_with_mqa"},
    {"blk.{}.attn_kv_a_norm", "model.layers.{}.self_attn.kv_a_layernorm"},
    {"blk.{}.attn_k_b.weight", "model.layers.{}.self_attn.kv_b_proj.weight", key_part},
    {"blk.{}.attn_v_b.weight", "model.layers.{}.self_attn.kv_b_proj.weight", value_part},
    {"blk.{}.attn_kv_b.weight", "model.layers.{}.self_attn.kv_b_proj.weight", older},
    {"blk.{}.attn_output", "model.layers.{}.self_attn.o_proj"},
};
constexpr Name kSharedExperts[] = {
    {"blk.{}.exp_probs_b.bias", "model.layers.{}.mlp.gate.e_score_correction_bias"},
    {"blk.{}.ffn_gate_shexp", "model.layers.{}.mlp.shared_experts.gate_proj"},
    {"blk.{}.ffn_up_shexp", "model.layers.{}.mlp.shared_experts.up_proj"},
    {"blk.{}.ffn_down_shexp", "model.layers.{}.mlp.shared_experts.down_proj"},
};
constexpr Name kDraft[] = {
    {"blk.{}.nextn.eh_proj", "model.layers.{}.eh_proj"},
    {"blk.{}.nextn.embed_tokens", "model.layers.{}.embed_tokens"},
    {"blk.{}.nextn.enorm", "model.layers.{}.enorm"},
    {"blk.{}.nextn.hnorm", "model.layers.{}.hnorm"},
    {"blk.{}.nextn.shared_head_head", "model.layers.{}.shared_head.head"},
    {"blk.{}.nextn.shared_head_norm", "model.layers.{}.shared_head.norm"},
};
constexpr Key kDeepseek[] = {
    {"attention.kv_lora_rank", "kv_lora_rank", integer},
    {"leading_dense_block_count", "first_k_dense_replace", integer},
    {"expert_count", "n_routed_experts", integer},
    {"expert_used_count", "num_experts_per_tok", integer},
    {"expert_shared_count", "n_shared_experts", integer},
    {"expert_group_count", "n_group", integer},
    {"expert_group_used_count", "topk_group", integer},
    {"expert_weights_scale", "routed_scaling_factor", real},
    {"expert_weights_norm", "norm_topk_prob", boolean},
};
constexpr std::span<const Name> kDeepseekNames[] = {kEnds,    kLatentAttention, kNormsBefore, kMlp,
                                                    kExperts, kSharedExperts,   kDraft};
constexpr std::span<const Key> kDeepseekKeys[] = {kShape, kRmsNorm, kExpertWidth, kDeepseek};

// gpt-oss: experts are stacked, gate and up in turn.

constexpr Name kGptOss[] = {
    {"blk.{}.attn_norm", "model.layers.{}.input_layernorm"},
    {"blk.{}.post_attention_norm", "model.layers.{}.post_attention_layernorm"},
    {"blk.{}.attn_sinks.weight", "model.layers.{}.self_attn.sinks"},
    {"blk.{}.ffn_gate_inp", "model.layers.{}.mlp.router"},
    {"blk.{}.ffn_gate_exps.weight", "model.layers.{}.mlp.experts.gate_up_proj", gate_turns},
    {"blk.{}.ffn_up_exps.weight", "model.layers.{}.mlp.experts.gate_up_proj", up_turns},
    {"blk.{}.ffn_gate_exps.bias", "model.layers.{}.mlp.experts.gate_up_proj_bias", gate_bias},
    {"blk.{}.ffn_up_exps.bias", "model.layers.{}.mlp.experts.gate_up_proj_bias", up_bias},
    {"blk.{}.ffn_down_exps.weight", "model.layers.{}.mlp.experts.down_proj", stacked},
    {"blk.{}.ffn_down_exps.bias", "model.layers.{}.mlp.experts.down_proj_bias"},
};
constexpr std::span<const Name> kGptOssNames[] = {kEnds, kAttention, kGptOss};
constexpr std::span<const Key> kGptOssKeys[] = {kShape, kRmsNorm, kWindow, kMixture, kMixtralCount};

// Llama 4, text: experts are stacked, the gate's outputs before up's.

constexpr Name kLlama4[] = {
    {"blk.{}.ffn_gate", "model.layers.{}.feed_forward.gate_proj"},
    {"blk.{}.ffn_up", "model.layers.{}.feed_forward.up_proj"},
    {"blk.{}.ffn_down", "model.layers.{}.feed_forward.down_proj"},
    {"blk.{}.ffn_gate_inp", "model.layers.{}.feed_forward.router"},
    {"blk.{}.ffn_gate_exps.weight", "model.layers.{}.feed_forward.experts.gate_up_proj", gate_half},
    {"blk.{}.ffn_up_exps.weight", "model.layers.{}.feed_forward.experts.gate_up_proj", up_half},
    {"blk.{}.ffn_down_exps.weight", "model.layers.{}.feed_forward.experts.down_proj", stacked},
    {"blk.{}.ffn_gate_shexp", "model.layers.{}.feed_forward.shared_expert.gate_proj"},
    {"blk.{}.ffn_up_shexp", "model.layers.{}.feed_forward.shared_expert.up_proj"},
    {"blk.{}.ffn_down_shexp", "model.layers.{}.feed_forward.shared_expert.down_proj"},
};
constexpr Key kLlama4Shape[] = {
    {"block_count", "num_hidden_layers", integer},
    {"context_length", "max_position_embeddings", integer},
    {"embedding_length", "hidden_size", integer},
    {"feed_forward_length", "intermediate_size_mlp", integer},
    {"expert_feed_forward_length", "intermediate_size", integer},
    {"attention.head_count", "num_attention_heads", integer},
    {"attention.head_count_kv", "num_key_value_heads", integer},
    {"interleave_moe_layer_step", "interleave_moe_layer_step", integer},
};
constexpr std::span<const Name> kLlama4Names[] = {kEnds, kAttention, kNormsBefore, kLlama4};
constexpr std::span<const Key> kLlama4Keys[] = {kLlama4Shape, kRmsNorm, kMixture, kMixtralCount};

constexpr std::string_view kText = "language_model.";

constexpr GgufFamily kFamilies[] = {
    {"llama", "llama", kLlamaNames, kLlamaKeys},
    {"llama", "mistral", kLlamaNames, kMistralKeys},
    {"llama", "mixtral", kMixtralNames, kMixtralKeys},
    {"smollm3", "smollm3", kLlamaNames, kLlamaKeys},
    {"qwen2", "qwen2", kQwen2Names, kQwen2Keys},
    {"qwen3", "qwen3", kQwen3Names, kQwen2Keys},
    {"qwen3moe", "qwen3_moe", kQwen3MoeNames, kQwen3MoeKeys},
    {"olmo", "olmo", kOlmoNames, kOlmoKeys},
    {"olmo2", "olmo2", kOlmo2Names, kOlmo2Keys},
    {"olmo2", "olmo3", kOlmo2Names, kOlmo3Keys},
    {"olmoe", "olmoe", kOlmoeNames, kOlmoeKeys},
    {"gemma2", "gemma2", kGemma2Names, kGemma2Keys},
    {"gemma3", "gemma3_text", kGemma3Names, kGemma2Keys},
    {"gemma3", "gemma3", kGemma3Names, kGemma2Keys, kText},
    {"deepseek2", "deepseek_v2", kDeepseekNames, kDeepseekKeys},
    {"deepseek2", "deepseek_v3", kDeepseekNames, kDeepseekKeys},
    {"deepseek2", "kimi_k2", kDeepseekNames, kDeepseekKeys},
    {"gpt-oss", "gpt_oss", kGptOssNames, kGptOssKeys},
    {"llama4", "llama4_text", kLlama4Names, kLlama4Keys},
    {"llama4", "llama4", kLlama4Names, kLlama4Keys, kText},
};

// Reads the digits at the front of `text`, which must be how the number is written.
std::optional<int64_t> take_number(std::string_view& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const auto digits = static_cast<size_t>(end - text.data());
  if (error != std::errc() || value < 0 || (text[0] == '0' && digits > 1)) return std::nullopt;
  text.remove_prefix(digits);
  return value;
}

struct Numbers {
  int64_t layer = -1, expert = -1;
};

std::optional<Numbers> match(std::string_view pattern, std::string_view text) {
  Numbers found;
  while (!pattern.empty()) {
    if (pattern[0] == '{' || pattern[0] == '#') {
      const auto number = take_number(text);
      if (!number) return std::nullopt;
      (pattern[0] == '#' ? found.expert : found.layer) = *number;
      pattern.remove_prefix(pattern[0] == '#' ? 1 : 2);
    } else {
      if (text.empty() || text[0] != pattern[0]) return std::nullopt;
      pattern.remove_prefix(1);
      text.remove_prefix(1);
    }
  }
  return text.empty() ? std::optional(found) : std::nullopt;
}

std::string filled(std::string_view pattern, const Numbers& numbers) {
  std::string text;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '#') {
      text += std::to_string(numbers.expert);
    } else if (pattern[i] == '{') {
      text += std::to_string(numbers.layer);
      ++i;
    } else {
      text += pattern[i];
    }
  }
  return text;
}

// Names that both sides spell whole need no suffix taken off.
bool is_whole(const GgufNameRule& rule) { return rule.gguf.ends_with(".weight") || rule.gguf.ends_with(".bias"); }

std::optional<GgufPlace> place(const GgufNameRule& rule, std::string_view name, std::string_view GgufNameRule::* from,
                               std::string_view GgufNameRule::* to, int64_t expert) {
  std::string_view stem = name, suffix;
  if (!is_whole(rule)) {
    stem = name.substr(0, std::min(name.rfind('.'), name.size()));
    suffix = name.substr(stem.size());
    if (suffix != ".weight" && suffix != ".bias") return std::nullopt;
  }
  auto numbers = match(rule.*from, stem);
  if (!numbers) return std::nullopt;
  if (numbers->expert < 0) numbers->expert = expert;
  return GgufPlace{filled(rule.*to, *numbers) + std::string(suffix), &rule, numbers->layer, numbers->expert};
}

}  // namespace

std::span<const GgufFamily> gguf_families() { return kFamilies; }

const GgufFamily* gguf_family_of_model_type(std::string_view model_type) {
  for (const GgufFamily& family : kFamilies)
    if (family.model_type == model_type) return &family;
  return nullptr;
}

std::vector<GgufPlace> gguf_places(const GgufFamily& family, std::string_view checkpoint_name) {
  std::vector<GgufPlace> places;
  if (!checkpoint_name.starts_with(family.prefix)) return places;
  checkpoint_name.remove_prefix(family.prefix.size());
  for (const auto rules : family.names)
    for (const GgufNameRule& rule : rules)
      if (rule.change != older)
        if (auto found = place(rule, checkpoint_name, &GgufNameRule::checkpoint, &GgufNameRule::gguf, -1))
          places.push_back(*std::move(found));
  return places;
}

std::optional<GgufPlace> checkpoint_place(const GgufFamily& family, std::string_view gguf_name, int64_t expert) {
  for (const auto rules : family.names)
    for (const GgufNameRule& rule : rules)
      if (auto found = place(rule, gguf_name, &GgufNameRule::gguf, &GgufNameRule::checkpoint, expert)) {
        found->name.insert(0, family.prefix);
        return found;
      }
  return std::nullopt;
}

}  // namespace glassbox
