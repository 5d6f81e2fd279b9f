// DeepSeek-V3 and R1 (arXiv:2412.19437, arXiv:2501.12948): DeepSeek-V2's latent attention and mixtures, chosen by
// sigmoids and a bias that balances the experts' load; and a layer that guesses one token further. Kimi K2 is the same.
// T tokens of the pass, D width, I expert width, V vocabulary, R rows ordered by expert, and rows that want logits.
// Field names are the checkpoint's.
#include "models/families.h"

#include <variant>

#include "models/decoder.h"
#include "models/latent_attention.h"
#include "models/shape.h"
#include "nn/moe.h"

namespace glassbox {
namespace {

struct DeepseekV3Shape : DecoderShape {
  LatentShape latent;
  int64_t moe_intermediate = 0, shared_experts = 0;
  int64_t first_k_dense_replace = 0;  // layers before it have a dense MLP
  RouteRule rule;
  MemoryShape draft_memory;  // of the layer that guesses further: its own
  int64_t draft_layers = 0;
};

struct Experts {
  ExpertLinear gate_proj, up_proj, down_proj;

  Experts(const Weights& w, const DeepseekV3Shape& s)
      : gate_proj(w, "gate_proj", s.experts, s.moe_intermediate, s.hidden),
        up_proj(w, "up_proj", s.experts, s.moe_intermediate, s.hidden),
        down_proj(w, "down_proj", s.experts, s.hidden, s.moe_intermediate) {}

  Tensor operator()(const Tensor& x, const Routing& to) const {                  // [T, D]
    const Tensor d = dispatch(x, to);                                            // [R, D]
    return combine(down_proj(silu(gate_proj(d, to)) * up_proj(d, to), to), to);  // [T, D], by way of [R, I]
  }
};

struct Gate {
  Router router;
  Tensor e_score_correction_bias;  // [E], moves the choice and not the weights

  Gate(const Weights& w, int64_t experts, int64_t width)
      : router(w, experts, width), e_score_correction_bias(w.tensor("e_score_correction_bias", {experts})) {}
  Tensor operator()(const Tensor& x) const { return router(x); }
};

struct Moe {
  RouteRule rule;
  Named<Gate> gate;
  Named<Experts> experts;
  std::optional<Named<GatedMlp>> shared_experts;  // side by side they are one MLP

  Moe(const Weights& w, const DeepseekV3Shape& s)
      : rule(s.rule), gate(w["gate"], s.experts, s.hidden), experts(w["experts"], s) {
    if (s.shared_experts > 0)
      shared_experts.emplace(w["shared_experts"], s.hidden, s.shared_experts * s.moe_intermediate, silu);
  }

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const Tensor y = experts(x, route(gate(x), rule, gate->e_score_correction_bias));
    return shared_experts ? y + (*shared_experts)(x) : y;
  }
};

struct Block {
  using Shape = DeepseekV3Shape;
  using FinalNorm = Named<RmsNorm>;
  using Mlp = std::variant<Named<Moe>, Named<GatedMlp>>;
  Named<RmsNorm> input_layernorm;
  Named<LatentAttention> self_attn;
  Named<RmsNorm> post_attention_layernorm;
  Mlp mlp;

  Block(const Weights& w, const DeepseekV3Shape& s, int64_t layer) : Block(w, s, layer, layer) {}
  // `remembered`: the layer of the memory.
  Block(const Weights& w, const DeepseekV3Shape& s, int64_t layer, int64_t remembered)
      : input_layernorm(w["input_layernorm"], s.hidden, s.norm_eps),
        self_attn(w["self_attn"], s.latent, remembered),
        post_attention_layernorm(w["post_attention_layernorm"], s.hidden, s.norm_eps),
        mlp(layer >= s.first_k_dense_replace
                ? Mlp(std::in_place_type<Named<Moe>>, w["mlp"], s)
                : Mlp(std::in_place_type<Named<GatedMlp>>, w["mlp"], s.hidden, s.intermediate, silu)) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const Tensor h = x + self_attn(input_layernorm(x));
    return h + std::visit([&](const auto& m) { return m(post_attention_layernorm(h)); }, mlp);
  }
};

// The layer that guesses one token further (multi-token prediction, section 2.2 of the paper). It stands after the last
// layer in the checkpoint and brings its own embedding and output matrix, which are the model's.
class NextToken : public Draft {
 public:
  NextToken(const Weights& w, const DeepseekV3Shape& s)
      : memory_(s.draft_memory),
        enorm_(w["enorm"], s.hidden, s.norm_eps),
        hnorm_(w["hnorm"], s.hidden, s.norm_eps),
        eh_proj_(w["eh_proj"], s.hidden, 2 * s.hidden),
        embed_tokens_(w["embed_tokens"], s.vocabulary, s.hidden),
        block_(w, s, s.layers, 0),
        norm_(w["shared_head"]["norm"], s.hidden, s.norm_eps),
        head_(w["shared_head"]["head"], s.vocabulary, s.hidden) {}

  const MemoryShape& memory_shape() const override { return memory_; }

  Tensor operator()(Pass& pass, const Tensor& hidden) const override {
    pass.open_memory(memory_);
    const Tensor x = eh_proj_(concat(enorm_(embed_tokens_(pass)), hnorm_(hidden)));  // [T, D]
    return head_(logit_rows(norm_(block_(x))));                                      // [R, V]
  }

 private:
  const MemoryShape& memory_;
  Named<RmsNorm> enorm_, hnorm_;
  Named<Linear> eh_proj_;
  Named<Embedding> embed_tokens_;
  Named<Block> block_;
  Named<RmsNorm> norm_;
  Named<Linear> head_;
};

class DeepseekV3 : public Decoder<Block> {
 public:
  DeepseekV3(std::unique_ptr<const DeepseekV3Shape> its, const Weights& w) : Decoder(std::move(its), w) {
    // Published conversions often lack the layer, and whoever does not speculate does not need it.
    const DeepseekV3Shape& s = shape();
    if (const Weights after = w["model"]["layers"][s.layers]; s.draft_layers > 0 && after.has("enorm.weight"))
      draft_.emplace(after, s);
  }

  const Draft* draft() const override { return draft_ ? &*draft_ : nullptr; }

 private:
  std::optional<NextToken> draft_;
};

}  // namespace

std::unique_ptr<LanguageModel> make_deepseek_v3(Config& config, WeightSource& weights) {
  auto shape = std::make_unique<DeepseekV3Shape>();
  static_cast<ModelShape&>(*shape) = read_shape(config, weights);
  shape->norm_eps = static_cast<float>(config.between<double>("rms_norm_eps", 0, 1));
  shape->latent = read_latent(config, *shape);
  shape->memory = latent_memory(*shape, shape->latent, weights);
  shape->moe_intermediate = config.positive<int64_t>("moe_intermediate_size");
  shape->experts = read_experts(config);
  shape->experts_per_token = config.positive<int64_t>("num_experts_per_tok", shape->experts);
  shape->shared_experts = config.between<int64_t>("n_shared_experts", 0, 1 << 10);
  shape->first_k_dense_replace = config.between<int64_t>("first_k_dense_replace", 0, shape->layers);
  config.choice("scoring_func", {"sigmoid"});
  config.choice("topk_method", {"noaux_tc"});
  shape->rule = {.weights = RouteRule::Weights::sigmoid,
                 .experts = shape->experts,
                 .chosen = shape->experts_per_token,
                 .normalised = config.get<bool>("norm_topk_prob"),
                 .scale = static_cast<float>(config.between<double>("routed_scaling_factor", 1e-6, 1e6)),
                 .groups = config.positive<int64_t>("n_group", shape->experts),
                 .group_worth = RouteRule::Groups::two_best};
  shape->rule.groups_used = config.positive<int64_t>("topk_group", shape->rule.groups);
  if (shape->experts % shape->rule.groups != 0 ||
      shape->experts_per_token > shape->experts / shape->rule.groups * shape->rule.groups_used)
    fail(ErrorKind::bad_file, "{}: expected groups that hold {} experts evenly and {} chosen ones, got {} of {}",
         config.where("topk_group"), shape->experts, shape->experts_per_token, shape->rule.groups_used,
         shape->rule.groups);

  config.choice_or("hidden_act", "silu", {"silu"});
  config.only<int64_t>("moe_layer_freq", 1);
  config.only<int64_t>("ep_size", 1);  // how other programs spread experts over machines
  config.harmless({"aux_loss_alpha", "seq_aux", "router_aux_loss_coef"});  // of training
  shape->draft_layers = config.between_or<int64_t>("num_nextn_predict_layers", 0, 0, 1);
  shape->draft_memory = MemoryShape({shape->memory.layer(0)});
  return std::make_unique<DeepseekV3>(std::move(shape), Weights(weights));
}

}  // namespace glassbox
