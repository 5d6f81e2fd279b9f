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


def e4m3(bits):
    sign, exponent, fraction = bits >> 7, bits >> 3 & 15, bits & 7
    size = np.where(exponent == 0, fraction * 2.0**-9, (1 + fraction / 8) * 2.0 ** (exponent.astype(float) - 7))
    size = np.where((bits & 127) == 127, np.nan, size)
    return np.where(sign, -size, size).astype(np.float32)


def e5m2(bits):
    return (bits.astype(np.uint16) << 8).view(np.float16).astype(np.float32)


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
    every = np.arange(256, dtype=np.uint8)
    tensors["F8_E4M3.values"], tensors["F8_E5M2.values"] = e4m3(every), e5m2(every)
    save_file(tensors, folder / "dequantized.safetensors")

    rows = rows_to_quantize(rng, 512)
    importance = (rng.random(512) ** 3 * 10 + 1e-3).astype(np.float32)
    tensors = {"rows": rows, "importance": importance}
    for name in TYPES + ["Q8_K"]:
        tensors[name] = quantized(lib, name, rows, None)
        if name not in ("Q8_0", "Q8_K", "MXFP4"):  # these ignore importance
            tensors[name + ".weighted"] = quantized(lib, name, rows, importance)
    save_file(tensors, folder / "quantized.safetensors")


main(*sys.argv[1:])
