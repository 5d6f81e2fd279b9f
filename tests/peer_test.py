#!/usr/bin/env python3
"""bench/peer.py from runs to page, with a stand-in for llama-bench: peer_test.py GLASSBOX"""
import json, pathlib, subprocess, sys, tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEER = """#!/usr/bin/env python3
import json, sys
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
speed = 100 if int(given["-p"]) else 2 * int(given["-t"])
print(json.dumps([{"avg_ts": speed, "build_commit": "stand-in", "build_number": 7}]))
"""


def main():
    glassbox = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "bin").mkdir()
        (folder / "bin/llama-bench").write_text(PEER)
        (folder / "bin/llama-bench").chmod(0o755)
        subprocess.run([glassbox, "convert", "glassbox/prism", folder / "SmolLM2-135M-Instruct.Q4_1.gguf"], check=True)
        (folder / "images").mkdir()
        (folder / "performance.md").write_text("Before.\n<!-- figures: made by bench/peer.py --page -->\nold\n<!-- /figures -->\nAfter.\n")
        peer = [ROOT / "bench/peer.py", folder, "--only", "smollm2", "--rounds", 2, "--long-rounds", 0, "--answer", 8,
                "--threads", 2, "--models", folder, "--runs", folder / "runs.json", "--glassbox", glassbox, "--docs", folder]
        peer = [str(part) for part in peer]
        printed = subprocess.run(peer, check=True, capture_output=True, text=True).stdout
        runs = json.loads((folder / "runs.json").read_text())["models"]["smollm2"]["runs"]
        assert [run["program"] for run in runs] == ["glassbox", "llama.cpp"] * 6, runs  # in turn
        assert all(run["tokens_per_s"] > 0 for run in runs), runs
        row = next(line for line in printed.splitlines() if line.startswith("| SmolLM2-135M, Q4_1 |")).split(" | ")
        assert (row[2], row[7]) == ("4.0", "2.0") and row[-1] == "2.00x |", row  # the stand-in's speeds and its gain
        ours = sorted(run["tokens_per_s"] for run in runs if (run["program"], run["what"], run["threads"]) == ("glassbox", "answer", 2))
        assert abs(float(row[3][:-1]) - sum(ours) / 2 / 4) <= 0.006, (row, ours)
        subprocess.run(peer[:1] + peer[2:] + ["--page"], check=True)
        page = (folder / "performance.md").read_text()
        assert page.startswith("Before.\n<!--") and page.endswith("<!-- /figures -->\nAfter.\n") and "old" not in page, page
        assert printed.strip() in page
        for plot in ("answers", "prompts"):
            assert "SmolLM2-135M, Q4_1" in (folder / f"images/{plot}.svg").read_text()
    print("peer: the runs, the tables and the page are right")


main()
