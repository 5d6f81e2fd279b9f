"""Small configurations of the families that are mixtures of experts, for make_family_goldens.py."""

SMALL = dict(
    vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=256, rms_norm_eps=1e-6, tie_word_embeddings=False, pad_token_id=None, bos_token_id=1,
    eos_token_id=2)
DEFAULT_ROPE = dict(rope_type="default", rope_theta=10000.0)

QWEN3_MOE = dict(
    SMALL, model_type="qwen3_moe", head_dim=12, intermediate_size=28, moe_intermediate_size=12, num_experts=5,
    num_experts_per_tok=2, norm_topk_prob=True, rope_parameters=DEFAULT_ROPE)

# Trained context 24 of 80 tokens; the attention factor is 0.1 ln 4 (mscale - mscale_all_dim) away from 1.
YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=24, beta_fast=32.0,
            beta_slow=1.0)
DEEPSEEK = dict(
    {key: value for key, value in SMALL.items() if key != "num_key_value_heads"}, num_key_value_heads=4,
    intermediate_size=28, moe_intermediate_size=12, first_k_dense_replace=1, kv_lora_rank=12, qk_nope_head_dim=6,
    qk_rope_head_dim=8, v_head_dim=10)
DEEPSEEK_V2 = dict(
    DEEPSEEK, model_type="deepseek_v2", n_routed_experts=5, n_shared_experts=2, num_experts_per_tok=2,
    norm_topk_prob=False, rope_parameters=dict(YARN, mscale=0.707, mscale_all_dim=0.707))
DEEPSEEK_V3 = dict(
    DEEPSEEK, model_type="deepseek_v3", n_routed_experts=8, n_shared_experts=1, num_experts_per_tok=3, n_group=4,
    topk_group=2, norm_topk_prob=True, routed_scaling_factor=2.5, q_lora_rank=16,
    rope_parameters=dict(YARN, mscale=1.0, mscale_all_dim=0.8))
DEEPSEEK_OLD = dict(moe_layer_freq=1, aux_loss_alpha=0.001, seq_aux=True, pretraining_tp=1)
DEEPSEEK_V3_OLD = dict(DEEPSEEK_OLD, ep_size=1, topk_method="noaux_tc", scoring_func="sigmoid")
LLAMA4 = dict(
    SMALL, model_type="llama4_text", head_dim=12, num_hidden_layers=4, intermediate_size=12, intermediate_size_mlp=28,
    num_local_experts=4, attention_chunk_size=24, floor_scale=16, attn_scale=0.3, rms_norm_eps=1e-5)

# name: (seed of its weights, tokens a sequence, what is special, configuration)
MIXTURES = {
    "mixtral_tiny": (21, 40, {}, dict(
        SMALL, model_type="mixtral", intermediate_size=20, num_local_experts=4, num_experts_per_tok=2,
        sliding_window=24, rope_parameters=dict(DEFAULT_ROPE, rope_theta=1e6))),
    "mixtral_tiny_bf16": (26, 40, dict(bf16=True), dict(
        SMALL, model_type="mixtral", intermediate_size=20, num_local_experts=4, num_experts_per_tok=2,
        rope_parameters=dict(DEFAULT_ROPE, rope_theta=1e6))),
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
    "olmoe_tiny_bf16": (27, 40, dict(bf16=True), dict(
        SMALL, model_type="olmoe", intermediate_size=12, num_experts=5, num_experts_per_tok=3, norm_topk_prob=False,
        rms_norm_eps=1e-5, rope_parameters=DEFAULT_ROPE)),
    "deepseek_v2_tiny": (31, 80, dict(
        old=dict(DEEPSEEK_OLD, scoring_func="softmax", num_key_value_heads=4)),
        dict(DEEPSEEK_V2, q_lora_rank=None, n_group=1, topk_group=1, topk_method="greedy")),
    "deepseek_v2_groups_tiny": (32, 80, dict(old=dict(DEEPSEEK_OLD, scoring_func="softmax")), dict(
        DEEPSEEK_V2, q_lora_rank=16, n_routed_experts=8, num_experts_per_tok=3, n_group=4, topk_group=2,
        topk_method="group_limited_greedy", routed_scaling_factor=2.0)),
    "deepseek_v3_tiny": (33, 80, dict(mtp=True, old=DEEPSEEK_V3_OLD), DEEPSEEK_V3),
    "deepseek_v3_tiny_bf16": (34, 40, dict(bf16=True, old=DEEPSEEK_V3_OLD), dict(
        DEEPSEEK_V3, num_mtp_layers=0, attention_bias=True)),
    "kimi_k2_tiny": (35, 40, dict(model_type="kimi_k2", old=DEEPSEEK_V3_OLD), dict(
        DEEPSEEK_V3, n_routed_experts=6, n_group=1, topk_group=1, num_mtp_layers=0, routed_scaling_factor=2.827)),
    # With a limit that gates do reach.
    "gpt_oss_tiny": (36, 80, dict(old=dict(experts_per_token=2, initial_context_length=24)), dict(
        SMALL, model_type="gpt_oss", head_dim=12, intermediate_size=12, num_local_experts=5, num_experts_per_tok=2,
        sliding_window=20, swiglu_limit=1.5, num_hidden_layers=3,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        rope_parameters=dict(YARN, rope_theta=150000.0, truncate=False))),
    "gpt_oss_tiny_bf16": (37, 40, dict(bf16=True, old=dict(experts_per_token=2)), dict(
        SMALL, model_type="gpt_oss", head_dim=12, intermediate_size=12, num_local_experts=5, num_experts_per_tok=2,
        sliding_window=20, rope_parameters=dict(YARN, rope_theta=150000.0, truncate=False))),
    "llama4_text_tiny_bf16": (40, 40, dict(bf16=True), dict(
        LLAMA4, num_hidden_layers=2, no_rope_layers=[1, 0], interleave_moe_layer_step=2,
        rope_parameters=dict(DEFAULT_ROPE))),
    # Layer 3 knows no positions; 1 and 3 are mixtures.
    "llama4_text_tiny": (38, 80, dict(old_lacks=["no_rope_layers", "moe_layers", "layer_types"]), dict(
        LLAMA4, interleave_moe_layer_step=2,
        rope_parameters=dict(rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0,
                             high_freq_factor=4.0, original_max_position_embeddings=32))),
    "llama4_tiny": (39, 40, dict(
        wrapped="llama4", old_lacks=["moe_layers", "layer_types"],
        old=dict(attn_temperature_tuning=4)),
        dict(LLAMA4, num_hidden_layers=2, no_rope_layers=[0, 1], use_qk_norm=False, attn_temperature_tuning=True,
             num_experts_per_tok=2, attention_bias=True, rope_parameters=dict(DEFAULT_ROPE))),
}
