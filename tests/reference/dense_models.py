"""Small configurations of the dense families, for make_family_goldens.py."""

SMALL = dict(
    vocab_size=64, hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=256, rms_norm_eps=1e-6, tie_word_embeddings=False,
    pad_token_id=None,  # torch gives its row of the embedding no gradient
    bos_token_id=1, eos_token_id=2)
DEFAULT_ROPE = dict(rope_type="default", rope_theta=10000.0)
FULL, SLIDING = "full_attention", "sliding_attention"
# Trained context 24 of 80 tokens. With heads of 16 numbers the first pairs keep their frequency, some are blended and
# the last are slowed.
YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=24)

QWEN2 = dict(SMALL, model_type="qwen2", rope_parameters=dict(DEFAULT_ROPE, rope_theta=1e6))
QWEN3 = dict(SMALL, model_type="qwen3", head_dim=12, tie_word_embeddings=True,
             rope_parameters=dict(DEFAULT_ROPE, rope_theta=1e6))
GEMMA2 = dict(
    SMALL, model_type="gemma2", head_dim=12, num_hidden_layers=3, tie_word_embeddings=True, query_pre_attn_scalar=10,
    sliding_window=20, attn_logit_softcapping=3.0, final_logit_softcapping=15.0, rope_parameters=DEFAULT_ROPE)
GEMMA3 = dict(
    SMALL, model_type="gemma3_text", head_dim=12, num_hidden_layers=3, num_key_value_heads=1, tie_word_embeddings=True,
    query_pre_attn_scalar=10, sliding_window=20, sliding_window_pattern=3,
    rope_parameters={FULL: dict(rope_type="linear", rope_theta=1e6, factor=8.0),
                     SLIDING: dict(rope_type="default", rope_theta=10000.0)})
# Heads of 16 numbers, of which 4 turn.
STABLELM = dict(
    {key: value for key, value in SMALL.items() if key != "rms_norm_eps"}, model_type="stablelm", num_attention_heads=2,
    layer_norm_eps=1e-5, rope_parameters=dict(DEFAULT_ROPE, partial_rotary_factor=0.25))

# name: (seed of its weights, tokens a sequence, what is special, configuration)
DENSE = {
    "llama_yarn_tiny": (40, 80, {}, dict(
        SMALL, model_type="llama", head_dim=16,
        rope_parameters=dict(YARN, beta_fast=3.0, beta_slow=0.7, mscale=0.8, mscale_all_dim=1.4, truncate=False))),
    "qwen2_tiny": (41, 40, dict(old=dict(use_mrope=False)), QWEN2),
    "qwen2_tiny_bf16": (42, 40, dict(bf16=True), QWEN2),
    # Windows from the second layer on; YaRN as Qwen's model cards advise for long contexts.
    "qwen2_window_tiny": (43, 80, dict(old_lacks=["layer_types"]), dict(
        SMALL, model_type="qwen2", head_dim=16, use_sliding_window=True, sliding_window=20, max_window_layers=1,
        rope_parameters=YARN)),
    "qwen3_tiny": (44, 40, dict(old_lacks=["layer_types"]), QWEN3),
    "qwen3_tiny_bf16": (60, 40, dict(bf16=True), QWEN3),
    "qwen3_window_tiny": (45, 80, {}, dict(
        QWEN3, num_hidden_layers=3, attention_bias=True, tie_word_embeddings=False, use_sliding_window=True,
        sliding_window=20, layer_types=[SLIDING, FULL, SLIDING],
        rope_parameters=dict(YARN, beta_fast=4.0, beta_slow=0.5, attention_factor=1.3))),
    "mistral_tiny": (46, 80, {}, dict(
        SMALL, model_type="mistral", head_dim=12, sliding_window=20, rope_parameters=DEFAULT_ROPE)),
    "mistral_tiny_bf16": (62, 40, dict(bf16=True), dict(
        SMALL, model_type="mistral", head_dim=12, sliding_window=20, rope_parameters=DEFAULT_ROPE)),
    "mistral_nemo_tiny": (47, 40, {}, dict(
        SMALL, model_type="mistral", head_dim=12, sliding_window=None,
        rope_parameters=dict(DEFAULT_ROPE, rope_theta=1e6))),
    "smollm3_tiny": (48, 40, dict(old=dict(max_window_layers=28), old_lacks=["no_rope_layers", "layer_types"]), dict(
        SMALL, model_type="smollm3", num_hidden_layers=4, tie_word_embeddings=True,
        rope_parameters=dict(DEFAULT_ROPE, rope_theta=2e6))),
    "smollm3_tiny_bf16": (63, 40, dict(bf16=True), dict(
        SMALL, model_type="smollm3", num_hidden_layers=2, tie_word_embeddings=True, no_rope_layers=[1, 0],
        rope_parameters=dict(DEFAULT_ROPE, rope_theta=2e6))),
    "smollm3_yarn_tiny": (49, 80, {}, dict(
        SMALL, model_type="smollm3", num_hidden_layers=3, attention_bias=True, mlp_bias=True, no_rope_layers=[1, 0, 1],
        use_sliding_window=True, sliding_window=20, rope_parameters=YARN)),
    "olmo_tiny": (50, 40, {}, dict(
        {key: value for key, value in SMALL.items() if key != "rms_norm_eps"}, model_type="olmo", num_key_value_heads=4,
        clip_qkv=1.0, tie_word_embeddings=True, rope_parameters=DEFAULT_ROPE)),
    "olmo_bias_tiny": (51, 40, {}, dict(
        {key: value for key, value in SMALL.items() if key != "rms_norm_eps"}, model_type="olmo", attention_bias=True,
        rope_parameters=DEFAULT_ROPE)),
    "olmo_tiny_bf16": (64, 40, dict(bf16=True), dict(
        {key: value for key, value in SMALL.items() if key != "rms_norm_eps"}, model_type="olmo", clip_qkv=1.0,
        rope_parameters=DEFAULT_ROPE)),
    "olmo2_tiny": (52, 40, {}, dict(
        SMALL, model_type="olmo2", rope_parameters=dict(DEFAULT_ROPE, rope_theta=5e5))),
    "olmo2_bias_tiny": (53, 40, {}, dict(
        SMALL, model_type="olmo2", num_key_value_heads=4, attention_bias=True, tie_word_embeddings=True,
        rope_parameters=dict(DEFAULT_ROPE, rope_theta=5e5))),
    "olmo2_tiny_bf16": (61, 40, dict(bf16=True), dict(
        SMALL, model_type="olmo2", rope_parameters=dict(DEFAULT_ROPE, rope_theta=5e5))),
    "olmo3_tiny": (54, 80, dict(old_lacks=["layer_types"]), dict(
        SMALL, model_type="olmo3", num_hidden_layers=4, sliding_window=20, rope_parameters={
            FULL: dict(YARN, rope_theta=5e5, beta_fast=32.0, beta_slow=1.0, attention_factor=1.2),
            SLIDING: dict(rope_type="default", rope_theta=5e5)})),
    "olmo3_tiny_bf16": (65, 40, dict(bf16=True), dict(
        SMALL, model_type="olmo3", num_hidden_layers=2, sliding_window=20, layer_types=[SLIDING, FULL],
        rope_parameters={FULL: dict(DEFAULT_ROPE, rope_theta=5e5), SLIDING: dict(DEFAULT_ROPE, rope_theta=5e5)})),
    "gemma2_tiny": (55, 80, dict(
        old=dict(hidden_act="gelu_pytorch_tanh", sliding_window_size=20, cache_implementation="hybrid"),
        old_lacks=["layer_types"]), GEMMA2),
    "gemma2_tiny_bf16": (56, 40, dict(bf16=True), dict(GEMMA2, num_hidden_layers=2)),
    "gemma3_text_tiny": (57, 80, dict(
        old=dict(sliding_window_pattern=3), old_lacks=["layer_types"]), GEMMA3),
    "gemma3_tiny": (59, 40, dict(wrapped="gemma3"), dict(GEMMA3, num_hidden_layers=2, layer_types=[SLIDING, FULL])),
    "gemma3_text_tiny_bf16": (58, 40, dict(bf16=True), dict(
        GEMMA3, num_hidden_layers=2, layer_types=[SLIDING, FULL],
        final_logit_softcapping=15.0)),
    # StableLM 3B 4E1T: no biases; the old spelling leaves to defaults what it can.
    "stablelm_tiny": (82, 40, dict(
        old_lacks=["layer_norm_eps", "partial_rotary_factor", "qk_layernorm", "use_parallel_residual", "use_qkv_bias"]),
        STABLELM),
    # StableLM 2, which has biases; grouped heads and another share that turns.
    "stablelm_bias_tiny": (83, 40, {}, dict(
        STABLELM, num_key_value_heads=1, use_qkv_bias=True, tie_word_embeddings=True,
        rope_parameters=dict(DEFAULT_ROPE, partial_rotary_factor=0.5))),
    "stablelm_tiny_bf16": (84, 40, dict(bf16=True), dict(STABLELM, use_qkv_bias=True)),
}
