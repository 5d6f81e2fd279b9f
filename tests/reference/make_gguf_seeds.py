"""Small models as GGUF, seeds for fuzz/gguf_checkpoint_fuzz.cc: fuzz/corpus/gguf_checkpoint/NAME; a tensor of each type
of blocks, and a model in two parts, for fuzz/gguf_fuzz.cc: fuzz/corpus/gguf. Needs gguf, numpy."""

import pathlib
import struct

import gguf
import numpy

OUT = pathlib.Path(__file__).resolve().parents[2] / "fuzz" / "corpus" / "gguf_checkpoint"


def write(name, architecture, numbers, shapes, more=()):
    writer = gguf.GGUFWriter(OUT / name, architecture)
    for key, value in {"block_count": 1, "context_length": 8, "embedding_length": 4, "attention.head_count": 2,
                       **numbers}.items():
        if isinstance(value, float):
            writer.add_float32(f"{architecture}.{key}", value)
        else:
            writer.add_uint32(f"{architecture}.{key}", value)
    for key, value in more:
        writer.add_string(key, value)
    for tensor, shape in {"token_embd.weight": (3, 4), "output_norm.weight": (4,), **shapes}.items():
        count = int(numpy.prod(shape))
        values = numpy.linspace(1, -1, count, dtype=numpy.float32)
        writer.add_tensor(tensor, values.reshape(shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def raw(tensors, keys=()):
    """A file of tensors (name, width, number of the type, bytes) and keys (name, number of the type, bytes)."""
    text = lambda s: struct.pack("<Q", len(s)) + s.encode()
    padded = lambda b: b + bytes(-len(b) % 32)
    head, data = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)), b""
    for name, kind, value in keys:
        head += text(name) + struct.pack("<I", kind) + value
    for name, width, kind, values in tensors:
        head += text(name) + struct.pack("<IQIQ", 1, width, kind, len(data))
        data += padded(values)
    return padded(head) + data


def write_raw():
    folder = OUT.parent / "gguf"
    rng = numpy.random.default_rng(7)
    sizes = {kind.value: size for kind, size in gguf.GGML_QUANT_SIZES.items() if size[0] > 1 and kind.name not in ("Q8_1",)}
    sizes |= {41: (128, 18), 42: (64, 18)}
    blocks = [(f"t{kind}", 2 * block, kind, rng.integers(0, 256, 2 * size, dtype=numpy.uint8).tobytes())
              for kind, (block, size) in sorted(sizes.items())]
    (folder / "block_types").write_bytes(raw(blocks))
    number = lambda i: [("split.no", 2, struct.pack("<H", i)), ("split.count", 2, struct.pack("<H", 2)),
                        ("split.tensors.count", 5, struct.pack("<i", 2))]
    tensor = lambda name: [(name, 4, 0, struct.pack("<4f", 1, 2, 3, 4))]
    first = raw(tensor("a"), [("general.architecture", 8, struct.pack("<Q", 5) + b"llama")] + number(0))
    (folder / "parts").write_bytes(first + raw(tensor("b"), number(1)))


def main():
    write_raw()
    OUT.mkdir(parents=True, exist_ok=True)
    norm = {"attention.layer_norm_rms_epsilon": 1e-6, "feed_forward_length": 4}
    write("llama", "llama", norm, {"blk.0.attn_q.weight": (4, 4), "blk.0.attn_k.weight": (4, 4),
                                   "rope_freqs.weight": (1,)}, [("glassbox.config", '{"rope_theta":7}')])
    write("gemma3", "gemma3", norm | {"attention.key_length": 2, "attention.sliding_window": 2},
          {"blk.0.attn_norm.weight": (4,)}, [("glassbox.config", '{"model_type":"gemma3"}')])
    latent = {"attention.kv_lora_rank": 3, "attention.key_length": 5, "attention.value_length": 3,
              "attention.key_length_mla": 4, "attention.value_length_mla": 2, "rope.dimension_count": 2,
              "expert_gating_func": 2, "expert_count": 2, "expert_used_count": 1, "leading_dense_block_count": 0,
              "nextn_predict_layers": 1, "block_count": 2}
    write("deepseek2", "deepseek2", norm | latent,
          {"blk.0.attn_k_b.weight": (2, 3, 2), "blk.0.attn_v_b.weight": (2, 2, 3), "blk.1.attn_kv_b.weight": (8, 3),
           "blk.0.ffn_up_exps.weight": (2, 2, 4), "blk.0.exp_probs_b.bias": (2,)})
    experts = {"expert_count": 2, "expert_used_count": 1}
    write("gpt_oss", "gpt-oss", norm | experts | {"attention.sliding_window": 2},
          {"blk.0.ffn_gate_exps.weight": (2, 3, 4), "blk.0.ffn_up_exps.weight": (2, 3, 4),
           "blk.0.ffn_gate_exps.bias": (2, 3), "blk.0.ffn_up_exps.bias": (2, 3), "blk.0.attn_sinks.weight": (2,)})
    write("llama4", "llama4", norm | experts | {"expert_feed_forward_length": 3, "interleave_moe_layer_step": 1},
          {"blk.0.ffn_gate_exps.weight": (2, 3, 4), "blk.0.ffn_up_exps.weight": (2, 3, 4),
           "blk.0.ffn_down_exps.weight": (2, 4, 3)}, [("glassbox.config", '{"attn_scale":0.2}')])


if __name__ == "__main__":
    main()
