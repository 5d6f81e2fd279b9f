"""Small random Llamas, published as transformers publishes them, and what transformers computes with them.

    python3 tests/reference/make_llama_goldens.py [tests/fixtures/models]

Made once with torch and transformers (versions are in every golden file's metadata) and committed: tests need no Python.
Each folder holds config.json and model.safetensors as save_pretrained writes them, and golden.safetensors:

    input_ids     [2, 40]      I64
    logits        [2, 40, V]   F32, of every position, computed in float32
    logits_bf16   [2, 40, V]   F32, bf16 model only: computed by transformers in bf16
    loss          []           F32, mean cross entropy of the next token over both sequences
    grad/NAME     as NAME      F32, of that loss, for every weight (a tied weight once)
    taps/NAME     [2, 40, D]   F32, llama32_tiny only: what the module returned, under its tap's name
"""

import json
import pathlib
import sys

import torch
import transformers
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

torch.use_deterministic_algorithms(True)
torch.set_num_threads(1)

VOCABULARY, SEQUENCES, TOKENS = 96, 2, 40

COMMON = dict(vocab_size=VOCABULARY, hidden_size=32, bos_token_id=1, eos_token_id=2, attn_implementation="eager")
LLAMA32 = dict(
    COMMON,
    intermediate_size=48,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=16,  # wider than hidden / heads
    max_position_embeddings=256,
    rms_norm_eps=1e-5,
    tie_word_embeddings=True,
    # Trained context 32, fewer than the 40 tokens here: of the wavelengths 6.3, 19.9, 62.8, ... the first is kept, the
    # second blended and the rest stretched.
    rope_parameters=dict(rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0,
                         high_freq_factor=4.0, original_max_position_embeddings=32),
)
MODELS = {
    "llama2_tiny": dict(
        COMMON, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
        max_position_embeddings=128, rms_norm_eps=1e-6, tie_word_embeddings=False,
        rope_parameters=dict(rope_type="default", rope_theta=10000.0)),
    "llama32_tiny": LLAMA32,
    "llama32_tiny_bf16": LLAMA32,
    "llama_bias_tiny": dict(
        COMMON, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=1,
        max_position_embeddings=128, rms_norm_eps=1e-5, tie_word_embeddings=False, attention_bias=True, mlp_bias=True,
        rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=4.0)),
}


def random_model(settings, dtype, seed):
    """Weights of a size at which every part matters: logits of several units, norms away from 1, biases away from 0."""
    model = LlamaForCausalLM(LlamaConfig(**settings))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if name.endswith("norm.weight"):
                weight.copy_(1 + 0.25 * noise)
            elif name.endswith("bias"):
                weight.copy_(0.5 * noise)
            elif name == "model.embed_tokens.weight":
                weight.copy_(0.6 * noise)
            else:
                weight.copy_(1.5 * noise / weight.shape[1] ** 0.5)
    model.to(dtype)
    model.config.dtype = dtype
    return model


def old_spelling(config):
    """The same config.json as transformers 4 wrote it."""
    old = dict(config)
    rope = dict(old.pop("rope_parameters"))
    old["rope_theta"] = rope.pop("rope_theta")
    old["rope_scaling"] = None if rope["rope_type"] == "default" else rope
    old["torch_dtype"] = old.pop("dtype")
    old["transformers_version"] = "4.45.0"
    return old


def make(name, settings, folder):
    dtype = torch.bfloat16 if name.endswith("bf16") else torch.float32
    model = random_model(settings, dtype, seed=sorted(MODELS).index(name) + 1)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.transformers4.json").write_text(json.dumps(old_spelling(config), indent=2) + "\n")

    ids = torch.randint(0, VOCABULARY, (SEQUENCES, TOKENS), generator=torch.Generator().manual_seed(7))
    golden = {"input_ids": ids}
    if dtype == torch.bfloat16:
        with torch.no_grad():
            golden["logits_bf16"] = model(input_ids=ids).logits.float()
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    if name == "llama32_tiny":
        def keep(tap):
            def hook(module, inputs, output):
                golden[f"taps/{tap}.out"] = (output[0] if isinstance(output, tuple) else output).detach().clone()
            return hook
        for path, module in model.named_modules():
            last = path.split(".")[-1]
            if last in ("embed_tokens", "self_attn", "mlp", "norm") or last.isdigit():
                module.register_forward_hook(keep(path))
    logits = model(input_ids=ids).logits
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].reshape(-1, VOCABULARY), ids[:, 1:].reshape(-1))
    loss.backward()
    golden["logits"] = logits.detach()
    golden["loss"] = loss.detach()
    for path, weight in model.named_parameters():
        golden[f"grad/{path}"] = weight.grad
    golden = {key: value.contiguous() for key, value in golden.items()}
    save_file(golden, folder / "golden.safetensors",
              metadata={"made_with": f"torch {torch.__version__}, transformers {transformers.__version__}"})
    for file in folder.iterdir():
        file.chmod(0o644)
    sizes = {file.name: file.stat().st_size for file in sorted(folder.iterdir())}
    print(f"{name}: loss {loss.item():.4f}, largest logit {logits.abs().max().item():.2f}, {sizes}")


if __name__ == "__main__":
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/fixtures/models")
    for model_name, model_settings in MODELS.items():
        (out / model_name).mkdir(parents=True, exist_ok=True)
        make(model_name, model_settings, out / model_name)
