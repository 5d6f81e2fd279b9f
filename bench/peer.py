#!/usr/bin/env python3
"""Glassbox beside llama.cpp: the same files, both programs in turn, medians, the machine's ceilings measured beside.

    bench/peer.py DIR                        # DIR holds llama-bench, built for this machine (docs/performance.md)
    bench/peer.py DIR --only smollm2,q4_0    # some files, whose figures take the place of their older ones
    bench/peer.py --page                     # renews the tables and plots of docs/performance.md

Every run is a process of its own that measures one thing once, after a warm-up. All runs are kept in build/peer/runs.json,
and the tables printed are made of it. Model files are made once, in build/peer/models: about 6 GB.
"""
import argparse, datetime, json, os, pathlib, shutil, subprocess, sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))
import peer_page

LLAMA, GEMMA = "bench/shapes/llama-3.2-1b.json", "bench/shapes/gemma-3-270m.json"
MODELS = {  # name: title, shape (none: a real file), type
    "smollm2": ("SmolLM2-135M, Q4_1", None, "Q4_1"),
    "gemma": ("Gemma 3 270M's shape, Q4_K_M", GEMMA, "Q4_K_M"),
    "q4_0": ("Llama 3.2 1B's shape, Q4_0", LLAMA, "Q4_0"),
    "q8_0": ("Llama 3.2 1B's shape, Q8_0", LLAMA, "Q8_0"),
    "q4_k_m": ("Llama 3.2 1B's shape, Q4_K_M", LLAMA, "Q4_K_M"),
    "bf16": ("Llama 3.2 1B's shape, BF16", LLAMA, "BF16"),
}


def run(*command):
    done = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"peer.py: {' '.join(map(str, command))}: status {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


class Files:
    """The model files, made where they are missing. Glassbox makes them; random weights have the shipped model's tokenizer."""

    def __init__(self, folder, build):
        self.folder, self.build = folder, build

    def path(self, name):
        _, shape, kind = MODELS[name]
        if shape is None:
            return self.real()
        file = self.folder / f"{pathlib.Path(shape).stem}-{kind}.gguf"
        if not file.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            print(f"making {file.name}", file=sys.stderr)
            bf16 = self.bf16(shape)
            if kind != "BF16":
                run(self.build / "glassbox", "quantize", bf16, kind, "--output", file)
        return file

    def real(self):
        file = self.folder / "SmolLM2-135M-Instruct.Q4_1.gguf"
        if not file.exists():
            run("scripts/smollm2-gguf")
            self.folder.mkdir(parents=True, exist_ok=True)
            os.link(ROOT / "local" / file.name, file)
        return file

    def bf16(self, shape):
        file = self.folder / f"{pathlib.Path(shape).stem}-BF16.gguf"
        if not file.exists():
            published = self.folder / "published"
            run(self.build / "random_model", shape, published)
            for part in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
                shutil.copy(ROOT / "models/prism/weights" / part, published)
            run(self.build / "glassbox", "convert", published, file)
            shutil.rmtree(published)
        return file


class Glassbox:
    name = "glassbox"

    def __init__(self, program):
        self.program = program

    def measure(self, file, what, tokens, threads):
        prefill, decode = (tokens, 0) if what == "prompt" else (0, tokens)
        seen = json.loads(run(self.program, "bench", file, "--prefill", prefill, "--decode", decode, "--rounds", 1,
                              "--threads", threads, "--json"))
        seen["tokens_per_s"] = seen.pop("prefill_tokens_per_s" if what == "prompt" else "decode_tokens_per_s")
        return seen


class LlamaCpp:
    name = "llama.cpp"

    def __init__(self, folder):
        found = [folder / part / "llama-bench" for part in ("", "bin") if (folder / part / "llama-bench").exists()]
        if not found:
            sys.exit(f"peer.py: no llama-bench in {folder}")
        self.program = found[0]
        self.build = None

    def measure(self, file, what, tokens, threads):
        prompt, answer = (tokens, 0) if what == "prompt" else (0, tokens)
        # A prompt that takes many batches warms up in its first; llama-bench would read it all twice.
        cold = ["--no-warmup"] if prompt > 2048 else []
        seen = json.loads(run(self.program, "-m", file, "-t", threads, "-p", prompt, "-n", answer, "-r", 1, "-o", "json",
                              *cold))[0]
        self.build = f"build {seen['build_commit']} ({seen['build_number']})"
        return {"tokens_per_s": seen["avg_ts"], "threads": threads}


def machine():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    value = lambda key: next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "")
    flags = value("flags").split()
    units = [name for flag, name in (("avx2", "AVX2"), ("avx512f", "AVX-512"), ("avx512_vnni", "VNNI"),
                                     ("avx512_bf16", "AVX512-BF16"), ("amx_tile", "AMX")) if flag in flags]
    return {"cpu": value("model name"), "family": f"{value('cpu family')}/{value('model')}/{value('stepping')}",
            "cores": os.cpu_count(), "units": units,
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)}


def measure(options):
    peer, ours = LlamaCpp(options.peer), Glassbox(options.glassbox)
    files = Files(options.models, ROOT / "build/release")
    runs = json.loads(options.runs.read_text()) if options.runs.exists() else {"models": {}}
    runs["machine"] = machine()
    # What is measured: words, tokens, threads, how many rounds.
    kinds = [("prompt", 512, options.threads, options.rounds), ("answer", options.answer, options.threads, options.rounds),
             ("answer", options.answer, 1, options.rounds), ("prompt", 4096, options.threads, min(options.rounds, options.long_rounds))]
    for name in options.only:
        file = files.path(name)
        seen = runs["models"].get(name, {}).get("runs", []) if options.add else []
        first = 1 + max((run["round"] for run in seen), default=-1)
        with open(file, "rb") as f:  # into the page cache
            while f.read(1 << 24):
                pass
        for round in range(first, first + options.rounds):
            for what, tokens, threads, rounds in kinds:
                if round - first >= rounds:
                    continue
                for program in (ours, peer):
                    figures = program.measure(file, what, tokens, threads)
                    seen.append({"round": round, "program": program.name, "what": what, "tokens": tokens, **figures})
                    print(f"{name}  round {round + 1}  {what} of {tokens}, {threads} threads  {program.name}: "
                          f"{figures['tokens_per_s']:.1f} tokens/s", file=sys.stderr)
        runs["models"][name] = {"title": MODELS[name][0], "bytes": file.stat().st_size, "runs": seen,
                                "date": datetime.date.today().isoformat()}
        runs["peer"] = options.peer_version or peer.build
        options.runs.parent.mkdir(parents=True, exist_ok=True)
        options.runs.write_text(json.dumps(runs, indent=1) + "\n")
    return runs


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", nargs="?", type=pathlib.Path, help="a folder with llama-bench, or its bin/")
    parser.add_argument("--only", type=lambda names: names.split(","), default=list(MODELS), help=", ".join(MODELS))
    parser.add_argument("--rounds", type=int, default=5, help="runs of each program (default 5)")
    parser.add_argument("--long-rounds", type=int, default=3, help="of prompts of 4,096 tokens (default 3)")
    parser.add_argument("--add", action="store_true", help="to the runs that are there, in place of replacing them")
    parser.add_argument("--answer", type=int, default=64, help="tokens of answer (default 64)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="beside one (default: one a core)")
    parser.add_argument("--models", type=pathlib.Path, default=ROOT / "build/peer/models", help="where the files are or go")
    parser.add_argument("--runs", type=pathlib.Path, default=ROOT / "build/peer/runs.json", help="where all runs are kept")
    parser.add_argument("--glassbox", type=pathlib.Path, default=ROOT / "build/release/glassbox")
    parser.add_argument("--peer-version", help="which llama.cpp it is (default: as llama-bench says)")
    parser.add_argument("--page", action="store_true", help="renew performance.md from the runs")
    parser.add_argument("--docs", type=pathlib.Path, default=ROOT / "docs", help="where that is (default: docs)")
    options = parser.parse_args()
    for name in options.only:
        if name not in MODELS:
            parser.error(f"--only: no file named {name}, only {', '.join(MODELS)}")
    if not options.peer and not options.page:
        parser.error("expected a folder with llama-bench, or --page")
    runs = measure(options) if options.peer else json.loads(options.runs.read_text())
    runs["models"] = {name: runs["models"][name] for name in MODELS if name in runs["models"]}
    runs["peer"] = options.peer_version or runs["peer"]
    if options.page:
        peer_page.renew(options.docs, runs)
    else:
        print(peer_page.tables(runs))


main()
