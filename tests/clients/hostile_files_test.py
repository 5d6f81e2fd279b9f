#!/usr/bin/env python3
"""300 damaged files, made from the model that is shipped: whatever is asked of one ends in time, in exit status 0, 1 or 2,
with one line on standard error where it failed.

    hostile_files_test.py GLASSBOX [WEIGHTS [COUNT [FIRST]]]

WEIGHTS: the folder glassbox/prism was published as. Case N is made from the number N alone. Standard library only.
"""

import concurrent.futures
import json
import os
import pathlib
import random
import resource
import shutil
import struct
import subprocess
import sys
import tempfile

SLOWER = float(os.environ.get("GLASSBOX_SLOWER", "1"))
LIMIT = 0 if SLOWER > 1 else 4 << 30  # bytes of address space: sanitizers need theirs

HOSTILE = [None, True, False, 0, -1, 1, 2, 3, 0.5, -0.0, 1e-320, 1e308, 2**31, 2**32, 2**53 + 1, 2**63, 2**64, -2**63, 10**400,
           "", "x", "\0", "\ud800", "../../../etc/passwd", "a" * 100_000, [], [[]], {}, {"": {}}, [None], [0] * 1000, "NaN"]


def nested(depth):
    return "[" * depth + "]" * depth


def flipped(chance, data, end):
    """One to eight bits of the first `end` bytes turned."""
    data = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        data[chance.randrange(min(end, len(data)))] ^= 1 << chance.randrange(8)
    return bytes(data)


def cut(chance, data):
    return data[:chance.choice([0, 1, 4, 7, 8, 16, 24, chance.randrange(len(data)), len(data) - 1])]


def resized(chance, data, end):
    """A number of 8 or 4 bytes somewhere in the head becomes another: a length, a count, an offset, a type."""
    size = chance.choice([8, 4])
    at = chance.randrange(0, min(end, len(data)) - size)
    value = chance.choice([0, 1, 2, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**63, 2**64 - 1])
    return data[:at] + struct.pack("<Q" if size == 8 else "<I", value % 256**size) + data[at + size:]


def places(value, at=()):
    yield at
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in list(children)[:400]:
        yield from places(child, at + (key,))


def changed(chance, text):
    """JSON with one to three values put in the place of others, keys given twice, or broken as text."""
    kind = chance.randrange(10)
    if kind == 0:
        return cut(chance, text)
    if kind == 1:
        return flipped(chance, text, len(text))
    if kind == 2:
        return text[:-1].rstrip().rstrip(b"}") + b', "x": ' + nested(chance.choice([100, 10_000, 200_000])).encode() + b"}"
    value = json.loads(text)
    top = [(key,) for key in value]
    for _ in range(chance.randint(1, 3)):
        # Half of the changes go to the top, where most of the meaning is.
        where = chance.choice(top) if chance.random() < 0.5 else chance.choice(list(places(value)))
        if not where:
            return json.dumps(chance.choice(HOSTILE)).encode()
        holder = value
        try:
            for key in where[:-1]:
                holder = holder[key]
            if chance.random() < 0.2:
                del holder[where[-1]]
            else:
                holder[where[-1]] = chance.choice(HOSTILE)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took it away
    out = json.dumps(value).encode()
    return out[:-1] + b"," + out[1:] if kind == 3 and len(value) else out


def head_of(safetensors):
    return 8 + struct.unpack("<Q", safetensors[:8])[0]


def swapped(chance, data):
    """A safetensors header whose tensors took each other's places, types or shapes."""
    size = head_of(data)
    header = json.loads(data[8:size])
    names = [name for name in header if name != "__metadata__"]
    a, b = chance.choice(names), chance.choice(names)
    kind = chance.randrange(5)
    if kind == 0:
        header[a]["data_offsets"], header[b]["data_offsets"] = header[b]["data_offsets"], header[a]["data_offsets"]
    elif kind == 1:
        header[a]["dtype"] = chance.choice(["F64", "F32", "F16", "I64", "U8", "BOOL", "F8_E4M3", "", "f32", None, 7])
    elif kind == 2:
        header[a]["shape"] = chance.choice([[], [0], [-1], [2**40, 2**40], [1] * 1000, header[a]["shape"][::-1], "4", [0.5]])
    elif kind == 3:
        header[a + chance.choice(["x", "\0", ""])] = header.pop(b)
    else:
        header[a]["data_offsets"] = chance.choice([[0, 0], [0, 2**63], [5, 1], [-1, 3], [1e9, 2e9], [], [0]])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data[size:]


def adapter():
    """A LoRA adapter for the shipped model: its config and tensors."""
    width, rank = 256, 2
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_"
    header = {name + "A.weight": {"dtype": "F32", "shape": [rank, width], "data_offsets": [0, 4 * rank * width]},
              name + "B.weight": {"dtype": "F32", "shape": [width, rank],
                                  "data_offsets": [4 * rank * width, 8 * rank * width]}}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": 4, "target_modules": ["q_proj"], "bias": "none",
              "use_dora": False, "alpha_pattern": {}, "rank_pattern": {}, "modules_to_save": None}
    return json.dumps(config).encode(), struct.pack("<Q", len(text)) + text + struct.pack("<f", 0.01) * (2 * rank * width)


class Maker:
    def __init__(self, binary, weights, folder):
        self.binary, self.folder = binary, folder
        self.files = {path.name: path.read_bytes() for path in weights.iterdir() if path.is_file()}
        gguf = folder / "whole.gguf"
        subprocess.run([binary, "convert", "glassbox/prism", str(gguf)], check=True, stdout=subprocess.DEVNULL)
        self.gguf = gguf.read_bytes()
        self.gguf_head = len(self.gguf) - sum(len(v) for k, v in self.files.items() if k.endswith(".safetensors"))
        self.adapter_config, self.adapter_tensors = adapter()

    def case(self, number):
        """A folder for it, and the command that meets what is damaged."""
        chance = random.Random(number)
        folder = self.folder / str(number)
        folder.mkdir()
        kind = number % 10
        if kind in (0, 1, 2):
            # Three quarters of the damage goes to what describes the tensors, not to the vocabulary's texts.
            end = chance.choice([64, 4096, self.gguf_head, len(self.gguf)])
            data = [flipped, resized, lambda c, d, e: cut(c, d)][kind](chance, self.gguf, end)
            (folder / "model.gguf").write_bytes(data)
            return folder, self.command(chance, str(folder / "model.gguf"), folder)
        if kind == 9:
            config, tensors = self.adapter_config, self.adapter_tensors
            if chance.random() < 0.5:
                config = changed(chance, config)
            else:
                tensors = chance.choice([swapped(chance, tensors), cut(chance, tensors),
                                         flipped(chance, tensors, head_of(tensors)), resized(chance, tensors, 64)])
            (folder / "adapter_config.json").write_bytes(config)
            (folder / "adapter_model.safetensors").write_bytes(tensors)
            return folder, ["run", "glassbox/prism", "Hi", "--max-tokens", "2", "--adapter", str(folder)]
        name = {3: "model.safetensors", 4: "model.safetensors", 5: "tokenizer.json", 6: "config.json", 7: "config.json",
                8: chance.choice(["generation_config.json", "tokenizer_config.json", "chat_template.jinja"])}[kind]
        for other in self.files:
            if other != name:
                os.symlink(self.weights_of(other), folder / other)
        data = self.files[name]
        if kind == 3:
            data = swapped(chance, data)
        elif kind == 4:
            data = chance.choice([flipped(chance, data, head_of(data)), resized(chance, data, head_of(data)), cut(chance, data),
                                  resized(chance, data, 16)])
        elif name.endswith(".jinja"):
            data = chance.choice([flipped(chance, data, len(data)), cut(chance, data),
                                  data + b"{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
                                  data + b"{{ '" + b"a" * 1000 + b"' * 100000000 }}", b"{{ [" * 5000])
        else:
            data = changed(chance, data)
        (folder / name).write_bytes(data)
        return folder, self.command(chance, str(folder), folder)

    def weights_of(self, name):
        kept = self.folder / "files"
        kept.mkdir(exist_ok=True)
        if not (kept / name).exists():
            (kept / name).write_bytes(self.files[name])
        return kept / name

    @staticmethod
    def command(chance, model, folder):
        return chance.choice([
            ["inspect", model, "--json"], ["run", model, "Hi", "--max-tokens", "2"],
            ["run", model, "Hi", "--max-tokens", "2", "--temperature", "0"],
            ["trace", model, "--tokens", "1 2 3", "--taps", "logits"], ["tokenize", model], ["render", model],
            ["convert", model, str(folder / ("out" if model.endswith(".gguf") else "out.gguf"))],
            ["quantize", model, "Q8_0", "--output", str(folder / "small.gguf")]])

    def wrong(self, number):
        """What is wrong with how it ends, or nothing; and its exit status."""
        folder, command = self.case(number)
        text = b'{"messages": [{"role": "user", "content": "Hi"}], "add_generation_prompt": true}'

        def limits():
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            if LIMIT:
                resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
        try:
            ran = subprocess.run([self.binary, *command], input=text, capture_output=True, timeout=60 * SLOWER, preexec_fn=limits)
        except subprocess.TimeoutExpired:
            return f"case {number}: {command}: not done in {60 * SLOWER:.0f} s", None
        error = ran.stderr.decode("utf-8", "replace")
        shutil.rmtree(folder)
        where = f"case {number}: {' '.join(command)}: exit status {ran.returncode}: {error[-2000:]}"
        if ran.returncode not in (0, 1, 2):
            return where, ran.returncode
        last = [line for line in error.split("\n") if line.startswith("glassbox: ")]
        if ran.returncode != 0 and (len(last) != 1 or not error.endswith(last[0] + "\n")):
            return "expected one line that says what is wrong: " + where, ran.returncode
        if "internal error" in error:
            return "expected a fault of the file, not of Glassbox: " + where, ran.returncode
        if last and len(last[0]) > 1000:
            return f"a line of {len(last[0])} characters: " + where[:400], ran.returncode
        return None, ran.returncode


def main(binary, weights="models/prism/weights", count="300", first="0"):
    with tempfile.TemporaryDirectory() as folder:
        maker = Maker(binary, pathlib.Path(weights), pathlib.Path(folder))
        for name in maker.files:
            maker.weights_of(name)
        numbers = range(int(first), int(first) + int(count))
        with concurrent.futures.ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
            results = list(pool.map(maker.wrong, numbers))
    failures = [what for what, _ in results if what]
    ended = {status: sum(s == status for _, s in results) for status in sorted({s for _, s in results}, key=str)}
    print(f"{len(results)} damaged files, by exit status: {ended}")
    if len(results) >= 300 and ended.get(1, 0) < len(results) // 2:
        failures.append("fewer than half of them were found damaged: that is no test")
    for failure in failures[:20]:
        print("FAILED:", failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
