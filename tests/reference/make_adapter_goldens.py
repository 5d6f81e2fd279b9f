"""Random adapters as PEFT saves them, and what PEFT computes with them over a small Llama.

    python3 tests/reference/make_adapter_goldens.py [tests/fixtures]

Made once with torch, transformers and peft (versions are in every golden file's metadata) and committed: tests need no
Python. Each folder adapters/NAME holds adapter_config.json and adapter_model.safetensors as save_pretrained writes them,
for models/llama_bias_tiny (whose projections have biases), and golden.safetensors:

    input_ids     [2, 40]      I64
    logits        [2, 40, V]   F32, with the adapter
    loss          []           F32, mean cross entropy of the next token over both sequences
    grad/KEY      as KEY       F32, of that loss, for every tensor of the adapter under the key it is saved as
"""

import pathlib
import shutil
import sys

import peft
import torch
import transformers
from safetensors.torch import load_file, save_file

torch.use_deterministic_algorithms(True)
torch.set_num_threads(1)

ADAPTERS = {
    "lora": dict(r=4, lora_alpha=12, target_modules=["q_proj", "v_proj", "down_proj"]),
    # Ranks and scales that differ by module.
    "rslora": dict(r=4, lora_alpha=3, use_rslora=True, target_modules="all-linear",
                   rank_pattern={"gate_proj": 2, "layers.1.self_attn.o_proj": 3},
                   alpha_pattern={"up_proj": 7, "^model.layers.0.self_attn.q_proj": 1}),
    "dora": dict(r=3, lora_alpha=6, use_dora=True, target_modules=["q_proj", "k_proj", "o_proj", "up_proj"]),
}


def make(fixtures, name, settings, seed):
    base = fixtures / "models" / "llama_bias_tiny"
    model = transformers.AutoModelForCausalLM.from_pretrained(base, attn_implementation="eager", dtype=torch.float32)
    model = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", **settings))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if "lora_A" in key or "lora_B" in key:
                weight.copy_(0.8 * noise / weight.shape[1] ** 0.5)
            elif "lora_magnitude" in key:
                weight.mul_(1 + 0.2 * noise)
    ids = load_file(base / "golden.safetensors")["input_ids"]
    logits = model(input_ids=ids).logits
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    loss.backward()
    golden = {"input_ids": ids, "logits": logits.detach(), "loss": loss.detach()}
    gradients = {key: weight.grad for key, weight in model.named_parameters() if weight.requires_grad}
    for key, gradient in peft.get_peft_model_state_dict(model, state_dict=gradients).items():
        golden["grad/" + key] = gradient
    folder = fixtures / "adapters" / name
    shutil.rmtree(folder, ignore_errors=True)
    model.peft_config["default"].base_model_name_or_path = "llama_bias_tiny"
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    versions = dict(torch=torch.__version__, transformers=transformers.__version__, peft=peft.__version__)
    save_file({key: value.contiguous() for key, value in golden.items()}, folder / "golden.safetensors",
              metadata=versions)
    print(name, float(loss), sorted(key for key in golden)[:4])


if __name__ == "__main__":
    fixtures = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/fixtures")
    for seed, (name, settings) in enumerate(ADAPTERS.items()):
        make(fixtures, name, settings, seed)
