"""Small configurations of the families that are mixtures of experts, for make_family_goldens.py."""

SMALL = dict(
    vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=256, rms_norm_eps=1e-6, tie_word_embeddings=False, pad_token_id=None, bos_token_id=1,
    eos_token_id=2)
DEFAULT_ROPE = dict(rope_type="default", rope_theta=10000.0)

QWEN3_MOE = dict(
    SMALL, model_type="qwen3_moe", head_dim=12, intermediate_size=28, moe_intermediate_size=12, num_experts=5,
    num_experts_per_tok=2, norm_topk_prob=True, rope_parameters=DEFAULT_ROPE)

# name: (seed of its weights, tokens a sequence, what is special, configuration)
MIXTURES = {
    "mixtral_tiny": (21, 40, {}, dict(
        SMALL, model_type="mixtral", intermediate_size=20, num_local_experts=4, num_experts_per_tok=2,
        sliding_window=24, rope_parameters=dict(DEFAULT_ROPE, rope_theta=1e6))),
    "qwen3_moe_tiny": (22, 40, dict(
        old=dict(num_experts=5, qkv_bias=False, use_qk_norm=True, shared_expert_intermediate_size=0),
        old_lacks=["num_local_experts"]), QWEN3_MOE),
    # Layer 0 dense as mlp_only_layers says, 1 sparse, 2 dense as decoder_sparse_step says, 3 sparse.
    "qwen3_moe_steps_tiny": (25, 40, dict(bf16=True), dict(
        QWEN3_MOE, num_hidden_layers=4, norm_topk_prob=False, decoder_sparse_step=2, mlp_only_layers=[0],
        attention_bias=True)),
    "olmoe_tiny": (24, 40, {}, dict(
        SMALL, model_type="olmoe", intermediate_size=12, num_experts=5, num_experts_per_tok=3, norm_topk_prob=False,
        clip_qkv=1.0, rms_norm_eps=1e-5, rope_parameters=DEFAULT_ROPE)),
}
