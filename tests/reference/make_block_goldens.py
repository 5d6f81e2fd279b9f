"""Goldens of quantized blocks: what the `gguf` package dequantizes, what llama.cpp quantizes, and what numpy makes of
FP8, published MXFP4, AWQ and GPTQ.

    pip install gguf safetensors numpy torch
    pip download --no-deps --no-binary :all: llama-cpp-python       # carries llama.cpp's sources
    cd vendor/llama.cpp/ggml && touch include/ggml-version.h
    gcc -O2 -ffp-contract=off -DNDEBUG -D_GNU_SOURCE -fPIC -shared -DGGML_VERSION='""' -DGGML_COMMIT='""' \\
        -Iinclude -Isrc -o libquants.so src/ggml-quants.c src/ggml.c stubs.c -lm    # stubs.c: what the linker misses
    python tests/reference/make_block_goldens.py libquants.so tests/fixtures/blocks
"""
import ctypes
import pathlib
import sys

import numpy as np
from gguf import GGMLQuantizationType as Q
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize
from safetensors.numpy import save_file

TYPES = "Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS MXFP4".split()
# Where each type keeps float16 values, which random bytes would make NaN.
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0]}

# Read and never written. Q1_0 and Q2_0 the package does not know.
READ = "IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ3_XXS IQ3_S TQ1_0 TQ2_0 NVFP4 Q1_0 Q2_0".split()
SIZES = {"Q1_0": (128, 18), "Q2_0": (64, 18)}
HALF_OF_READ = {"TQ1_0": 52, "TQ2_0": 64, "IQ1_M": None, "NVFP4": None}  # of the others, 0


def random_blocks(rng, name, count):
    _, size = GGML_QUANT_SIZES[Q[name]]
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    edges = np.array([0.0, -0.0, 6e-8, -6.1e-5, 1.0, 65504.0, -65504.0], np.float16)
    for at in HALVES.get(name, []):
        d = (rng.standard_normal(count) * 0.03).astype(np.float16)
        d[: len(edges)] = rng.permutation(edges)
        blocks[:, at : at + 2] = d.view(np.uint8).reshape(count, 2)
    if name == "MXFP4":
        blocks[:, 0] = np.r_[[0, 1, 2, 127, 254, 200], rng.integers(100, 140, count - 6)].astype(np.uint8)
    return blocks


def q8_k(rng, count):
    """ggml's own working type, which the package does not know: a float32 scale, 256 int8, 16 sums."""
    q = rng.integers(-127, 128, (count, 256)).astype(np.int8)
    d = rng.standard_normal((count, 1)).astype(np.float32) * np.float32(0.01)
    sums = q.reshape(count, 16, 16).sum(-1).astype(np.int16)
    return np.concatenate([d.view(np.uint8), q.view(np.uint8), sums.view(np.uint8)], 1), d * q.astype(np.float32)


def blocks_to_read(rng, name, count=20):
    """Any bytes are a block. Scales are small numbers but for the first: zeros, the smallest and largest, none at all."""
    _, size = SIZES.get(name) or GGML_QUANT_SIZES[Q[name]]
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    if name == "NVFP4":
        blocks[0, :4], blocks[1, :4] = (0, 0x7F, 0x80, 0xFF), (1, 0x08, 0x7E, 0xFE)
        return blocks
    d = (rng.standard_normal(count) * 0.03).astype(np.float16)
    edges = [0.0, -0.0, 6e-8, -6.1e-5, 65504.0, -65504.0, np.inf, -np.inf, np.nan]
    d[: len(edges)] = np.array(edges, np.float16)
    if name == "IQ1_M":
        words = blocks[:, 48:].copy().view(np.uint16)
        bits = d.view(np.uint16)
        for i in range(4):
            words[:, i] = words[:, i] & 0x0FFF | (bits >> (4 * i) & 15) << 12
        blocks[:, 48:] = words.view(np.uint8)
        return blocks
    at = HALF_OF_READ.get(name, 0)
    blocks[:, at : at + 2] = d.view(np.uint8).reshape(count, 2)
    return blocks


def values_of(lib, name, blocks):
    """As llama.cpp dequantizes, which is what the package says wherever it says something."""
    block, _ = SIZES.get(name) or GGML_QUANT_SIZES[Q[name]]
    out = np.zeros((len(blocks), block), np.float32)
    pointer = lambda a: a.ctypes.data_as(ctypes.c_void_p)
    getattr(lib, "dequantize_row_" + name.lower())(pointer(blocks), pointer(out), ctypes.c_int64(out.size))
    if name not in SIZES:
        theirs = dequantize(blocks, Q[name]).astype(np.float32).reshape(out.shape)
        same = (out.view(np.uint32) == theirs.view(np.uint32)) | (np.isnan(out) & np.isnan(theirs))
        assert same.all(), (name, out[~same], theirs[~same])
    return out


def rows_to_quantize(rng, width):
    """Rows that take every branch: ordinary, with outliers, one-sided, constant, zero, tiny, sparse, on a grid."""
    normal = lambda scale: rng.standard_normal(width) * scale
    rows = [normal(0.02), normal(1.0), normal(1.0) ** 3, np.abs(normal(0.1)), -np.abs(normal(0.1)) - 0.05,
            np.abs(normal(0.1)) + 3, np.full(width, 0.37), np.full(width, -1.25), np.zeros(width), normal(1e-20),
            normal(0.5) * (rng.random(width) < 0.1), np.round(normal(4)), normal(100), rng.uniform(-1, 1, width),
            normal(0.02) * np.repeat(2.0 ** rng.integers(-9, 9, width // 32), 32)]
    sparse = np.zeros(width)
    sparse[5] = -3
    sparse[width // 2 + 9] = 1e-4
    rows.append(sparse)
    return np.array(rows, np.float32)


def quantized(lib, name, rows, importance):
    type_id = {"Q8_K": 15}.get(name) or int(Q[name])
    block, size = (256, 292) if name == "Q8_K" else GGML_QUANT_SIZES[Q[name]]
    count, width = rows.shape
    out = np.zeros((count, width // block * size), np.uint8)
    pointer = lambda a: None if a is None else a.ctypes.data_as(ctypes.c_void_p)
    if name == "Q8_K":
        lib.quantize_row_q8_K_ref(pointer(rows), pointer(out), ctypes.c_int64(rows.size))
    else:
        lib.ggml_quantize_chunk(type_id, pointer(rows), pointer(out), ctypes.c_int64(0), ctypes.c_int64(count),
                                ctypes.c_int64(width), pointer(importance))
    return out


def read_only(rng, lib):
    tensors = {}
    for name in READ:
        tensors[name + ".blocks"] = blocks_to_read(rng, name)
        tensors[name + ".values"] = values_of(lib, name, tensors[name + ".blocks"])
    return tensors


def e4m3(bits):
    sign, exponent, fraction = bits >> 7, bits >> 3 & 15, bits & 7
    size = np.where(exponent == 0, fraction * 2.0**-9, (1 + fraction / 8) * 2.0 ** (exponent.astype(float) - 7))
    size = np.where((bits & 127) == 127, np.nan, size)
    return np.where(sign, -size, size).astype(np.float32)


def e5m2(bits):
    return (bits.astype(np.uint16) << 8).view(np.float16).astype(np.float32)


def published(rng):
    """Checkpoints' own layouts, and the matrices they mean."""
    t = {}
    f8 = lambda *shape: (rng.integers(0, 256, shape) & 0xB7).astype(np.uint8)
    # Block scales, an edge sticking out on both sides; a scale of each output; one of all.
    n, k = 200, 160
    t["fp8.a.weight"], t["fp8.a.weight_scale_inv"] = f8(n, k), rng.random((2, 2), np.float32)
    spread = np.repeat(np.repeat(t["fp8.a.weight_scale_inv"], 128, 0), 128, 1)[:n, :k]
    t["want.fp8.a.weight"] = e4m3(t["fp8.a.weight"]) * spread
    t["fp8.b.weight"], t["fp8.b.weight_scale"] = f8(40, 64), rng.random((40, 1), np.float32)
    t["want.fp8.b.weight"] = e4m3(t["fp8.b.weight"]) * t["fp8.b.weight_scale"]
    t["fp8.c.weight"], t["fp8.c.weight_scale"] = f8(40, 64), np.float32(0.37)
    t["fp8.c.input_scale"] = np.float32(0.5)
    t["want.fp8.c.weight"] = e4m3(t["fp8.c.weight"]) * np.float32(0.37)

    # gpt-oss: two neighbours a byte, low half first; scales are powers of two.
    # The second zero is -0 there; integers have one.
    levels = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6], np.float32)
    blocks = rng.integers(0, 256, (2, 6, 3, 16)).astype(np.uint8)
    scales = rng.integers(110, 140, (2, 6, 3)).astype(np.uint8)
    t["mxfp4.gate_up_proj_blocks"], t["mxfp4.gate_up_proj_scales"] = blocks, scales
    values = np.stack([levels[blocks & 15], levels[blocks >> 4]], -1).reshape(2, 6, 3, 32)
    t["want.mxfp4.gate_up_proj"] = (values * np.exp2(scales.astype(np.float32) - 127)[..., None]).reshape(2, 6, 96)

    k, n, group = 96, 24, 32
    words = lambda q, order: sum((q[..., j].astype(np.uint32) << np.uint32(4 * i)) for i, j in enumerate(order)).view(np.int32)
    q, z = rng.integers(0, 16, (k, n)), rng.integers(0, 16, (k // group, n))
    scale = (rng.random((k // group, n)) * 0.1).astype(np.float16)
    matrix = lambda zero: ((q - np.repeat(zero, group, 0)).astype(np.float32) * np.repeat(scale, group, 0).astype(np.float32)).T.copy()
    awq = [0, 2, 4, 6, 1, 3, 5, 7]
    t["awq.q_proj.qweight"] = words(q.reshape(k, n // 8, 8), awq)
    t["awq.q_proj.qzeros"] = words(z.reshape(-1, n // 8, 8), awq)
    t["awq.q_proj.scales"] = scale
    t["want.awq.q_proj.weight"] = matrix(z)
    t["gptq.q_proj.qweight"] = words(np.moveaxis(q.reshape(k // 8, 8, n), 1, -1), range(8))
    t["gptq.q_proj.qzeros"] = words(((z - 1) & 15).reshape(-1, n // 8, 8), range(8))  # stored less one
    t["gptq.q_proj.scales"] = scale
    t["gptq.q_proj.g_idx"] = (np.arange(k) // group).astype(np.int32)
    t["want.gptq.q_proj.weight"] = matrix(z)
    return t


def save_published(tensors, path):
    """With FP8 named as such, which numpy has no word for."""
    import torch
    from safetensors.torch import save_file as save

    torch.set_num_threads(1)
    tensors = {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in tensors.items()}
    for name in list(tensors):
        if name.startswith("fp8") and name.endswith(".weight"):
            tensors[name] = tensors[name].view(torch.float8_e4m3fn)
    for method in ("fp8", "mxfp4", "awq", "gptq"):
        own = {k.removeprefix(method + "."): v for k, v in tensors.items() if k.startswith(method + ".")}
        want = {k.removeprefix("want." + method + "."): v for k, v in tensors.items() if k.startswith("want." + method)}
        save(own, path / f"{method}.safetensors")
        save(want, path / f"{method}_values.safetensors")


def main(lib_path, folder):
    rng = np.random.default_rng(4)
    lib = ctypes.CDLL(lib_path, mode=ctypes.RTLD_GLOBAL)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)

    tensors = {}
    for name in TYPES:
        blocks = random_blocks(rng, name, 11)
        tensors[f"{name}.blocks"] = blocks
        tensors[f"{name}.values"] = dequantize(blocks, Q[name]).astype(np.float32).reshape(11, -1)
    tensors["Q8_K.blocks"], tensors["Q8_K.values"] = q8_k(rng, 3)
    save_file(read_only(np.random.default_rng(6), lib), folder / "read_only.safetensors")
    every = np.arange(256, dtype=np.uint8)
    tensors["F8_E4M3.values"], tensors["F8_E5M2.values"] = e4m3(every), e5m2(every)
    save_file(tensors, folder / "dequantized.safetensors")

    save_published(published(np.random.default_rng(5)), folder)

    rows = rows_to_quantize(rng, 512)
    importance = (rng.random(512) ** 3 * 10 + 1e-3).astype(np.float32)
    tensors = {"rows": rows, "importance": importance}
    for name in TYPES + ["Q8_K"]:
        tensors[name] = quantized(lib, name, rows, None)
        if name not in ("Q8_0", "Q8_K", "MXFP4"):  # these ignore importance
            tensors[name + ".weighted"] = quantized(lib, name, rows, importance)
    save_file(tensors, folder / "quantized.safetensors")


main(*sys.argv[1:])
