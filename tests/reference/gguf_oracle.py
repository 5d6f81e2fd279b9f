"""Golden models written as GGUF by glassbox convert, and llama.cpp's logits of them beside ours.

    c++ -std=c++17 tests/reference/llama_cpp_logits.cc -ILLAMA/include -ILLAMA/ggml/include -LLIBRARIES -lllama -lggml \
        -lggml-base -o llama_cpp_logits
    LD_LIBRARY_PATH=LIBRARIES python3 tests/reference/gguf_oracle.py build/release/glassbox ./llama_cpp_logits [NAME...]

Prints the largest difference of 40 tokens' logits, each model as it is and, where llama.cpp has no words for something
of it, with that put to what llama.cpp takes for granted. Needs numpy and safetensors.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "models"
TOKENS = [(i * 7 + 3) % 57 + 2 for i in range(40)]

MSCALE = {"rope_parameters": {"mscale": 1.0, "mscale_all_dim": 1.0}}
SCALAR = {"query_pre_attn_scalar": 12}
NO_WINDOW = {"sliding_window": None}
# What llama.cpp can say instead.
SAID = {
    "deepseek_v2_groups_tiny": {"n_group": 1, "topk_group": 1, "topk_method": "greedy"},
    "deepseek_v3_tiny": MSCALE,
    "kimi_k2_tiny": MSCALE,
    "gemma2_tiny": SCALAR,
    "gemma2_tiny_bf16": SCALAR,
    "gemma3_text_tiny": SCALAR,
    "gemma3_text_tiny_bf16": SCALAR,
    "gemma3_tiny": SCALAR,
    "gpt_oss_tiny": {"swiglu_limit": 7.0, "rope_parameters": {"truncate": True}},
    "llama4_text_tiny": {"attention_chunk_size": 8192, "attn_scale": 0.1, "floor_scale": 8192},
    "llama_yarn_tiny": {"rope_parameters": {"truncate": True}},
    "mistral_tiny": NO_WINDOW,
    "mixtral_tiny": NO_WINDOW,
}


def publish(name, changes, folder):
    shutil.copy(FIXTURES / name / "model.safetensors", folder)
    config = json.loads((FIXTURES / name / "config.json").read_text())
    text = config.get("text_config", config)
    for key, value in changes.items():
        if isinstance(value, dict):
            text[key].update(value)
        else:
            text[key] = value
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer = {
        "version": "1.0",
        "added_tokens": [{"id": 0, "content": "<s>", "special": True}, {"id": 1, "content": "<t>", "special": True}],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": {chr(ord("!") + i): i for i in range(2, 60)}, "merges": []},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>"}))


def compare(glassbox, oracle, name, changes):
    import numpy
    from safetensors import safe_open

    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        publish(name, changes, folder)
        file, ours, theirs = (str(folder / end) for end in ("m.gguf", "ours.safetensors", "theirs"))
        subprocess.run([glassbox, "convert", place, file], check=True, capture_output=True)
        tokens = [str(token) for token in TOKENS]
        subprocess.run([glassbox, "trace", file, "--tokens", " ".join(tokens), "--taps", "logits", "--out", ours],
                       check=True, capture_output=True)
        answer = subprocess.run([oracle, file, theirs, *tokens], capture_output=True, text=True)
        if answer.returncode != 0:
            return "refused: " + (answer.stderr.strip().splitlines() or ["?"])[0]
        b = numpy.fromfile(theirs, numpy.float32).reshape(len(TOKENS), -1)
        with safe_open(ours, "np") as tensors:
            a = tensors.get_tensor(next(key for key in tensors.keys() if "logits" in key))
        a = a.reshape(-1, b.shape[1])[-len(TOKENS):]
        return f"{numpy.abs(a - b).max():.1e} of {numpy.abs(a).max():.1f}"


def main():
    glassbox, oracle, *names = sys.argv[1:]
    for name in names or sorted(path.name for path in FIXTURES.iterdir()):
        print(f"{name:<26} {compare(glassbox, oracle, name, {})}", flush=True)
        if name in SAID:
            print(f"{'  as llama.cpp says it':<26} {compare(glassbox, oracle, name, SAID[name])}", flush=True)


if __name__ == "__main__":
    main()
