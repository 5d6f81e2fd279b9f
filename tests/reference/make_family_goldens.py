"""Small random models of every family, published as transformers publishes them, and what transformers computes with
them.

    python3 tests/reference/make_family_goldens.py [--out tests/fixtures/models] [NAME ...]

Made once with torch and transformers (versions are in every golden file's metadata) and committed: tests need no
Python. Without names, makes what is missing. Each folder holds config.json and model.safetensors as save_pretrained
writes them, config.transformers4.json (the same in the spelling of transformers 4, which most published files have),
and golden.safetensors:

    input_ids     [N, T]      I64
    logits        [N, T, V]   F32, of every position, computed in float32 with eager attention
    logits_bf16   [N, T, V]   F32, bf16 models only: computed by transformers in bf16
    loss          []          F32, mean cross entropy of the next token over all sequences
    grad/NAME     as NAME     F32, of that loss, for every weight (a tied weight once)
    mtp_logits    [N, T-1, V] F32, of a layer that guesses one token further, where the model has one
    taps/NAME     [N, T, D]   F32, where asked for: what the module returned, under its tap's name

A configuration here switches on every feature that a published configuration of its family uses, at sizes where each
matters: sequences longer than windows, chunks, blocks of the cache (64) and original contexts; norms away from 1,
biases away from 0.
"""

import argparse
import json
import pathlib
import tempfile

import torch
import transformers
from dense_models import DENSE
from mixture_models import MIXTURES
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.modeling_layers import MtpModel

torch.use_deterministic_algorithms(True)
torch.set_num_threads(1)

# What configurations have in common unless they say otherwise.
LLAMA = dict(model_type="llama", vocab_size=96, hidden_size=32, bos_token_id=1, eos_token_id=2)
LLAMA32 = dict(
    LLAMA,
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
# name: (seed of its weights, tokens a sequence, what is special, configuration)
MODELS = {
    "llama2_tiny": (1, 40, {}, dict(
        LLAMA, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
        max_position_embeddings=128, rms_norm_eps=1e-6, tie_word_embeddings=False,
        rope_parameters=dict(rope_type="default", rope_theta=10000.0))),
    "llama32_tiny": (2, 40, dict(taps=True), LLAMA32),
    "llama32_tiny_bf16": (3, 40, dict(bf16=True), LLAMA32),
    "llama_bias_tiny": (4, 40, {}, dict(
        LLAMA, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=1,
        max_position_embeddings=128, rms_norm_eps=1e-5, tie_word_embeddings=False, attention_bias=True, mlp_bias=True,
        rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=4.0))),
}
MODELS.update(DENSE)
MODELS.update(MIXTURES)


def draw(name, weight, generator):
    """Weights of a size at which every part matters: logits of several units, norms away from 1, biases away from 0."""
    noise = torch.randn(weight.shape, generator=generator)
    if name.endswith("norm.weight"):
        unit = weight.detach().mean().item()  # 1, or 0 where the norm multiplies by 1 + weight
        return unit + 0.25 * noise
    if name.endswith("bias"):
        return 0.5 * noise
    if name == "model.embed_tokens.weight":
        return 0.6 * noise
    return 1.5 * noise / weight.shape[-1] ** 0.5


def old_spelling(config):
    """The same config.json as transformers 4 wrote it."""
    old = dict(config)
    rope = dict(old.pop("rope_parameters"))
    if "full_attention" in rope:  # by kind of layer
        sliding, rope = dict(rope["sliding_attention"]), dict(rope["full_attention"])
        if old["model_type"].startswith("gemma3"):
            old["rope_local_base_freq"] = sliding["rope_theta"]
    old["rope_theta"] = rope.pop("rope_theta")
    if "partial_rotary_factor" in rope:
        old["partial_rotary_factor"] = rope.pop("partial_rotary_factor")
    old["rope_scaling"] = None if rope["rope_type"] == "default" else rope
    old["torch_dtype"] = old.pop("dtype")
    old["transformers_version"] = "4.45.0"
    return old


def gradients_by_name(model):
    """By the names and in the shapes of the checkpoint: saved as if they were weights, since transformers stacks what a
    checkpoint holds apart. What has no gradient (buffers) is left out."""
    nothing = 12345.0
    with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        for weight in model.parameters():
            weight.copy_(torch.full_like(weight, nothing) if weight.grad is None else weight.grad)
        for buffer in model.buffers():
            buffer.fill_(nothing)
        model.save_pretrained(folder)
        saved = load_file(pathlib.Path(folder) / "model.safetensors")
    return {path: gradient for path, gradient in saved.items() if not (gradient == nothing).all()}


def drafting_layer(model, generator):
    """A layer that guesses one token further, as transformers builds it after this model, and its tensors as
    published."""
    drafts = MtpModel(model, 1)
    layer = drafts.layers[0]
    tensors = {}
    prefix = f"model.layers.{model.config.num_hidden_layers}."
    with torch.no_grad():
        for path, weight in [*layer.named_parameters(), *layer.named_buffers()]:
            if path.endswith("e_score_correction_bias"):
                weight.copy_(0.1 * torch.randn(weight.shape, generator=generator))
            else:
                weight.copy_(draw(path, weight, generator))
            path = path.removeprefix("mtp_block.").replace("post_norm", "shared_head.norm")
            if path == "mlp.experts.gate_up_proj":
                for expert, both in enumerate(weight):
                    for part, half in zip(("gate_proj", "up_proj"), both.chunk(2)):
                        tensors[f"{prefix}mlp.experts.{expert}.{part}.weight"] = half.clone()
            elif path == "mlp.experts.down_proj":
                for expert, down in enumerate(weight):
                    tensors[f"{prefix}mlp.experts.{expert}.down_proj.weight"] = down.clone()
            else:
                tensors[prefix + path] = weight.clone()
    tensors[prefix + "embed_tokens.weight"] = model.model.embed_tokens.weight.detach().clone()
    tensors[prefix + "shared_head.head.weight"] = model.lm_head.weight.detach().clone()
    return layer, tensors


def draft(model, layer, ids):
    """Logits of the token after next, for every token but the last: [N, T - 1, V]."""
    with torch.no_grad():
        hidden = model.model(input_ids=ids).last_hidden_state[:, :-1]
        embedded = model.model.embed_tokens(ids[:, 1:])
        count = embedded.shape[1]
        positions = torch.arange(count)[None]
        mask = torch.full((count, count), float("-inf")).triu(1)[None, None]
        return model.lm_head(layer(embedded, hidden, position_embeddings=model.model.rotary_emb(hidden, positions),
                                   attention_mask=mask, position_ids=positions, past_key_values=None))


def wrapped(folder, special):
    """The same files as a model that also has other senses publishes them."""
    for file in ("model.safetensors", "golden.safetensors"):
        tensors = {}
        with safe_open(folder / file, "pt") as opened:
            for name in opened.keys():
                new = f"language_model.{name}" if file.startswith("model") else name.replace("grad/", "grad/language_model.")
                tensors[new] = opened.get_tensor(name)
            save_file(tensors, folder / file, metadata=opened.metadata())
    for file in ("config.json", "config.transformers4.json"):
        text = json.loads((folder / file).read_text())
        whole = {"architectures": [f"{special['wrapped'].capitalize()}ForConditionalGeneration"], "model_type": special["wrapped"],
                 "text_config": text, "image_token_index": 3}
        (folder / file).write_text(json.dumps(whole, indent=2) + "\n")


def make(name, folder):
    seed, tokens, special, settings = MODELS[name]
    dtype = torch.bfloat16 if special.get("bf16") else torch.float32
    settings = dict(settings)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(settings.pop("model_type"), **settings),
                                             attn_implementation="eager",
                                             experts_implementation="eager")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for path, weight in model.named_parameters():
            weight.copy_(draw(path, weight, generator))
        for path, buffer in model.named_buffers():
            if path.endswith("e_score_correction_bias"):
                buffer.copy_(0.1 * torch.randn(buffer.shape, generator=generator))
    model.to(dtype)
    model.config.dtype = dtype
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    config = json.loads((folder / "config.json").read_text())
    old = {**old_spelling(config), **special.get("old", {})}
    for key in special.get("old_lacks", []):
        old.pop(key)
    (folder / "config.transformers4.json").write_text(json.dumps(old, indent=2) + "\n")

    if special.get("mtp"):
        whole = model
        layer, tensors = drafting_layer(model, generator)
        save_file({**load_file(folder / "model.safetensors"), **tensors}, folder / "model.safetensors",
                  metadata={"format": "pt"})

    vocabulary = settings["vocab_size"]
    ids = torch.randint(0, vocabulary, (2, tokens), generator=torch.Generator().manual_seed(7))
    golden = {"input_ids": ids}
    if dtype == torch.bfloat16:
        with torch.no_grad():
            golden["logits_bf16"] = model(input_ids=ids).logits.float()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager",
                                                 experts_implementation="eager")
    if special.get("taps"):
        def keep(tap):
            def hook(module, inputs, output):
                golden[f"taps/{tap}.out"] = (output[0] if isinstance(output, tuple) else output).detach().clone()
            return hook
        for path, module in model.named_modules():
            last = path.split(".")[-1]
            if last in ("embed_tokens", "self_attn", "mlp", "norm") or last.isdigit():
                module.register_forward_hook(keep(path))
    logits = model(input_ids=ids).logits
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].reshape(-1, vocabulary), ids[:, 1:].reshape(-1))
    loss.backward()
    golden["logits"] = logits.detach()
    golden["loss"] = loss.detach()
    for path, gradient in gradients_by_name(model).items():
        golden[f"grad/{path}"] = gradient
    if special.get("mtp"):
        golden["mtp_logits"] = draft(whole, layer, ids)
    golden = {key: value.contiguous() for key, value in golden.items()}
    save_file(golden, folder / "golden.safetensors",
              metadata={"made_with": f"torch {torch.__version__}, transformers {transformers.__version__}"})
    if special.get("wrapped"):
        wrapped(folder, special)
    if special.get("model_type"):  # a family that transformers knows by another's name
        for file in ("config.json", "config.transformers4.json"):
            config = json.loads((folder / file).read_text())
            (folder / file).write_text(json.dumps({**config, "model_type": special["model_type"]}, indent=2) + "\n")
    for file in folder.iterdir():
        file.chmod(0o644)
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{name}: loss {loss.item():.4f}, largest logit {logits.abs().max().item():.2f}, {size // 1024} KiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("tests/fixtures/models"))
    arguments = parser.parse_args()
    seeds = {}
    for model_name, (seed, *_) in MODELS.items():
        seeds.setdefault(seed, []).append(model_name)
    for model_name in arguments.names:
        if len(seeds[MODELS[model_name][0]]) > 1:
            parser.error(f"{model_name}: its seed is that of {seeds[MODELS[model_name][0]]}")
    missing = [name for name in MODELS if not (arguments.out / name / "golden.safetensors").exists()]
    for model_name in arguments.names or missing:
        (arguments.out / model_name).mkdir(parents=True, exist_ok=True)
        make(model_name, arguments.out / model_name)
