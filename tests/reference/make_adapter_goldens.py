"""Random adapters as PEFT saves them, and what PEFT computes with them over a small Llama.

    python3 tests/reference/make_adapter_goldens.py [--fixtures tests/fixtures] [NAME ...]

Made once with torch, transformers and peft (versions are in every golden file's metadata) and committed: tests need no
Python. Without names, makes what is missing. Each folder adapters/NAME holds adapter_config.json (which names its model
of fixtures/models) and adapter_model.safetensors as save_pretrained writes them, and golden.safetensors:

    input_ids     [N, T]      I64, of the model's own golden file
    logits        [N, T, V]   F32, with the adapter
    loss          []          F32, mean cross entropy of the next token over all sequences
    grad/KEY      as KEY      F32, of that loss, for every tensor of the adapter under the key it is saved as, where
                              those tensors are factors of modules
"""

import argparse
import pathlib
import shutil

import peft
import torch
import transformers
from safetensors.torch import load_file, save_file

torch.use_deterministic_algorithms(True)
torch.set_num_threads(1)

# name: (model, settings of LoraConfig)
ADAPTERS = {
    "lora": ("llama_bias_tiny", dict(r=4, lora_alpha=12, target_modules=["q_proj", "v_proj", "down_proj"])),
    # Ranks and scales that differ by module.
    "rslora": ("llama_bias_tiny", dict(
        r=4, lora_alpha=3, use_rslora=True, target_modules="all-linear",
        rank_pattern={"gate_proj": 2, "layers.1.self_attn.o_proj": 3},
        alpha_pattern={"up_proj": 7, "^model.layers.0.self_attn.q_proj": 1})),
    "dora": ("llama_bias_tiny", dict(
        r=3, lora_alpha=6, use_dora=True, target_modules=["q_proj", "k_proj", "o_proj", "up_proj"])),
    # Some layers, patterns that are expressions, and every bias trained.
    "layers_bias": ("llama_bias_tiny", dict(
        r=4, lora_alpha=8, bias="all", target_modules=["q_proj", "k_proj", "down_proj"], layers_to_transform=[1],
        layers_pattern="layers", alpha_pattern={r"layers\.[0-9]+\.self_attn\.(q|k)_proj": 2})),
    # The embedding and the output matrix, which are one matrix in this model and change apart.
    "tables": ("llama32_tiny", dict(r=3, lora_alpha=6, target_modules=["embed_tokens", "lm_head", "q_proj"])),
    "tables_dora": ("llama32_tiny", dict(r=3, lora_alpha=6, use_dora=True, target_modules=["embed_tokens", "lm_head"])),
    "scaled_table": ("gemma3_text_tiny", dict(r=3, lora_alpha=6, target_modules=["embed_tokens", "o_proj"])),
    # Weights put in the place of the model's: tables, norms (every name that ends so) and routers.
    "saved": ("qwen3_moe_tiny", dict(
        r=2, lora_alpha=4, target_modules=["v_proj"], modules_to_save=["embed_tokens", "lm_head", "norm", "gate"])),
    "saved_tied": ("gemma3_text_tiny", dict(
        r=2, lora_alpha=4, target_modules=["v_proj"], modules_to_save=["embed_tokens", "input_layernorm"])),
    # Parameters that hold every expert: gate and up in one and down in another, or one of them, or a router's.
    "experts_gpt_oss": ("gpt_oss_tiny", dict(
        r=3, lora_alpha=6, target_modules=[], target_parameters=["experts.gate_up_proj", "experts.down_proj"],
        rank_pattern={"experts.down_proj": 2}, alpha_pattern={"experts.gate_up_proj": 4})),
    "experts_llama4": ("llama4_text_tiny", dict(
        r=3, lora_alpha=6, target_modules=["q_proj"],
        target_parameters=["experts.gate_up_proj", "experts.down_proj"])),
    "experts_mixtral": ("mixtral_tiny", dict(
        r=2, lora_alpha=4, use_rslora=True, target_modules=["o_proj"],
        target_parameters=["experts.gate_up_proj", "experts.down_proj"])),
    "experts_qwen3_moe": ("qwen3_moe_tiny", dict(
        r=3, lora_alpha=6, target_modules=["q_proj"], target_parameters=["mlp.experts.down_proj", "mlp.gate.weight"])),
    "latent": ("deepseek_v3_tiny", dict(r=3, lora_alpha=6, target_modules="all-linear")),
}
WITH_GRADIENTS = {"lora", "rslora", "dora", "tables", "tables_dora", "scaled_table", "latent"}


def make(fixtures, name, seed):
    base_name, settings = ADAPTERS[name]
    base = fixtures / "models" / base_name
    model = transformers.AutoModelForCausalLM.from_pretrained(base, attn_implementation="eager", dtype=torch.float32)
    model = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", **settings))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if "lora_embedding_A" in key:
                weight.copy_(noise)
            elif "lora_A" in key or "lora_B" in key or "lora_embedding" in key:
                weight.copy_(0.8 * noise / weight.shape[1] ** 0.5)
            elif "lora_magnitude" in key:
                weight.mul_(1 + 0.2 * noise)
            elif weight.requires_grad:
                weight.add_(0.3 * noise * weight.std() if weight.dim() > 1 else 0.2 * noise)
    ids = load_file(base / "golden.safetensors")["input_ids"]
    if name not in WITH_GRADIENTS:
        ids = ids[:1]
    logits = model(input_ids=ids).logits
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    golden = {"input_ids": ids, "logits": logits.detach(), "loss": loss.detach()}
    if name in WITH_GRADIENTS:
        loss.backward()
        gradients = {key: weight.grad for key, weight in model.named_parameters() if weight.requires_grad}
        state = peft.get_peft_model_state_dict(model, state_dict=gradients, save_embedding_layers=False)
        golden.update({"grad/" + key: gradient for key, gradient in state.items()})
    folder = fixtures / "adapters" / name
    shutil.rmtree(folder, ignore_errors=True)
    model.peft_config["default"].base_model_name_or_path = base_name
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    versions = dict(torch=torch.__version__, transformers=transformers.__version__, peft=peft.__version__)
    save_file({key: value.contiguous() for key, value in golden.items()}, folder / "golden.safetensors",
              metadata=versions)
    print(name, float(loss), sorted(key for key in golden)[:4])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fixtures", type=pathlib.Path, default=pathlib.Path("tests/fixtures"))
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    for seed, name in enumerate(ADAPTERS):
        if name in arguments.names or (not arguments.names and not (arguments.fixtures / "adapters" / name).exists()):
            make(arguments.fixtures, name, seed)
