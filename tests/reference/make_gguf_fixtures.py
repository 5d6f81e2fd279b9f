"""Small GGUF files as the reference package writes them: tests/fixtures/gguf.

    python3 tests/reference/make_gguf_fixtures.py [--check FILE...]

reference.gguf has metadata of every type and tensors of many; reference.json says what is in it. With --check, reads
each FILE with the reference package, down to the last tensor, and prints what it found as one JSON object. Needs gguf
and numpy.
"""

import argparse
import json
import pathlib

import gguf
import numpy

HERE = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "gguf"
BLOCKS = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS", "MXFP4"]


def make():
    HERE.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(HERE / "reference.gguf", "llama")
    metadata = {"general.architecture": "llama"}

    def add(key, value, write):
        metadata[key] = value
        write(key, value)

    add("test.u8", 255, writer.add_uint8)
    add("test.i8", -128, writer.add_int8)
    add("test.u16", 65535, writer.add_uint16)
    add("test.i16", -32768, writer.add_int16)
    add("test.u32", 4294967295, writer.add_uint32)
    add("test.i32", -2147483648, writer.add_int32)
    add("test.u64", 2**63 - 1, writer.add_uint64)
    add("test.i64", -(2**63), writer.add_int64)
    add("test.f32", 0.5, writer.add_float32)
    add("test.f64", 0.1, writer.add_float64)
    add("test.true", True, writer.add_bool)
    add("test.false", False, writer.add_bool)
    add("test.text", "Größe 語 🙂", writer.add_string)
    add("test.words", ["", "a", "Größe"], writer.add_array)
    add("test.numbers", [3, -1, 7], writer.add_array)
    add("test.halves", [0.5, -1.5], writer.add_array)

    tensors, random = {}, numpy.random.default_rng(7)

    def tensor(name, values, kind, shape):
        data = values.tobytes()
        tensors[name] = {"type": kind.name, "shape": shape, "bytes": data.hex()}
        writer.add_tensor(name, values, raw_dtype=kind)

    kinds = gguf.GGMLQuantizationType
    tensor("f32", random.normal(size=(2, 3)).astype(numpy.float32), kinds.F32, [2, 3])
    tensor("f16", random.normal(size=(3, 1, 2)).astype(numpy.float16), kinds.F16, [3, 1, 2])
    tensor("i32", numpy.arange(5, dtype=numpy.int32), kinds.I32, [5])
    tensor("f64", random.normal(size=(1,)), kinds.F64, [1])
    tensor("bf16", random.integers(0, 256, size=(2, 8), dtype=numpy.uint8), kinds.BF16, [2, 4])
    for name in BLOCKS:
        kind = kinds[name]
        block, size = gguf.GGML_QUANT_SIZES[kind]
        tensor(name.lower(), random.integers(0, 256, size=(2, size), dtype=numpy.uint8), kind, [2, block])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (HERE / "reference.json").write_text(
        json.dumps({"metadata": metadata, "tensors": tensors}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def look(path):
    reader = gguf.GGUFReader(path)
    return {"metadata": sorted(key for key in reader.fields if not key.startswith("GGUF.")),
            "tensors": {tensor.name: [tensor.tensor_type.name, [int(size) for size in reversed(tensor.shape)],
                                      float(numpy.abs(gguf.dequantize(tensor.data, tensor.tensor_type)).sum())]
                        for tensor in reader.tensors}}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--check", nargs="+", type=pathlib.Path)
    options = arguments.parse_args()
    if options.check:
        print(json.dumps({str(path): look(path) for path in options.check}))
    else:
        make()


if __name__ == "__main__":
    main()
