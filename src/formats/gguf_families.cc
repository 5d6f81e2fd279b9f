#include "formats/gguf_families.h"

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

std::optional<GgufPlace> place(const GgufFamily& family, std::string_view name, std::string_view GgufNameRule::* from,
                               std::string_view GgufNameRule::* to, int64_t expert) {
  const size_t dot = name.rfind('.');
  if (dot == name.npos) return std::nullopt;
  const std::string_view suffix = name.substr(dot);
  if (suffix != ".weight" && suffix != ".bias") return std::nullopt;
  for (const auto rules : family.names)
    for (const GgufNameRule& rule : rules) {
      auto numbers = match(rule.*from, name.substr(0, dot));
      if (!numbers) continue;
      if (numbers->expert < 0) numbers->expert = expert;
      return GgufPlace{filled(rule.*to, *numbers) + std::string(suffix), &rule, numbers->layer, numbers->expert};
    }
  return std::nullopt;
}

}  // namespace

std::span<const GgufFamily> gguf_families() { return kFamilies; }

const GgufFamily* gguf_family_of_model_type(std::string_view model_type) {
  for (const GgufFamily& family : kFamilies)
    if (family.model_type == model_type) return &family;
  return nullptr;
}

std::optional<GgufPlace> gguf_place(const GgufFamily& family, std::string_view checkpoint_name) {
  return place(family, checkpoint_name, &GgufNameRule::checkpoint, &GgufNameRule::gguf, -1);
}

std::optional<GgufPlace> checkpoint_place(const GgufFamily& family, std::string_view gguf_name, int64_t expert) {
  return place(family, gguf_name, &GgufNameRule::gguf, &GgufNameRule::checkpoint, expert);
}

}  // namespace glassbox
