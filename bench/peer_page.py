"""The runs of bench/peer.py as tables in Markdown and as plots: medians, and the share of ceilings measured beside."""
import html, statistics

OURS, PEER = "glassbox", "llama.cpp"
CEILINGS = {  # of bench's JSON: what it is called, its unit
    "read_bandwidth": ("reading memory", "GB/s"),
    "matmul_ceiling": ("float32 multiply-adds", "GFLOP/s"),
    "bf16_ceiling": ("products of bf16 (by AMX, where the kernels use it)", "GFLOP/s"),
    "int8_ceiling": ("products of bytes (by AMX or VNNI, where the kernels use them)", "GOP/s"),
}


class Model:
    """All runs of one file."""

    def __init__(self, entry):
        self.title, self.runs, self.date = entry["title"], entry["runs"], entry["date"]
        self.many = max(run["threads"] for run in self.runs)
        self.answer = next(run["tokens"] for run in self.runs if run["what"] == "answer")

    def of(self, program, what, tokens, threads):
        return [run for run in self.runs
                if (run["program"], run["what"], run["tokens"], run["threads"]) == (program, what, tokens, threads)]

    def speed(self, program, what, tokens, threads):
        runs = self.of(program, what, tokens, threads)
        return statistics.median(run["tokens_per_s"] for run in runs) if runs else None

    def ratio(self, what, tokens, threads):
        ours, peer = (self.speed(program, what, tokens, threads) for program in (OURS, PEER))
        return ours / peer if ours and peer else None

    def gain(self, program):
        """Answers with all threads over those with one."""
        many, one = (self.speed(program, "answer", self.answer, threads) for threads in (self.many, 1))
        return many / one if many and one else None

    def share(self, program, threads):
        """Of the memory's rate beside: what an answer reads, weights and cache, by Glassbox's count for both."""
        beside = {run["round"]: run["bytes_per_token"] / run["read_bandwidth"]
                  for run in self.of(OURS, "answer", self.answer, threads)}
        shares = [run["tokens_per_s"] * beside[run["round"]] for run in self.of(program, "answer", self.answer, threads)
                  if run["round"] in beside]
        return statistics.median(shares) if shares else None


def number(value):
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def times(value):
    return "" if value is None else f"{value:.2f}x"


def percent(value):
    return "" if value is None else f"{100 * value:.0f} %"


def table(head, rows):
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def answers_table(models):
    many = models[0].many
    head = ["file", f"{many} threads: Glassbox", "llama.cpp", "ratio", "of memory's rate: Glassbox", "llama.cpp",
            "1 thread: Glassbox", "llama.cpp", f"{many} threads / 1: Glassbox", "llama.cpp"]
    rows = []
    for m in models:
        speeds = [m.speed(program, "answer", m.answer, threads) for threads in (many, 1) for program in (OURS, PEER)]
        rows.append([m.title, number(speeds[0]), number(speeds[1]), times(m.ratio("answer", m.answer, many)),
                     percent(m.share(OURS, many)), percent(m.share(PEER, many)), number(speeds[2]), number(speeds[3]),
                     times(m.gain(OURS)), times(m.gain(PEER))])
    return table(head, rows)


def prompts_table(models):
    rows = []
    for m in models:
        row = [m.title]
        for tokens in (512, 4096):
            row += [number(m.speed(OURS, "prompt", tokens, m.many)), number(m.speed(PEER, "prompt", tokens, m.many)),
                    times(m.ratio("prompt", tokens, m.many))]
        rows.append(row)
    return table(["file", "512 tokens: Glassbox", "llama.cpp", "ratio", "4,096 tokens: Glassbox", "llama.cpp", "ratio"], rows)


def ceilings_table(models):
    rows = []
    many = models[0].many
    for key, (title, unit) in CEILINGS.items():
        row = [title]
        for threads in (1, many):
            seen = [run[key] / 1e9 for m in models for run in m.runs if key in run and run["threads"] == threads]
            row.append(f"{number(statistics.median(seen))} [{number(min(seen))} to {number(max(seen))}] {unit}" if seen else "")
        if any(row[1:]):
            rows.append(row)
    return table(["ceiling: median [range]", "1 thread", f"{many} threads"], rows)


def disturbed(models):
    """Runs whose multiply-adds, which need nothing but the cores, fell below nine tenths of the best seen: others used these."""
    seen = [(run["threads"], run["matmul_ceiling"]) for m in models for run in m.runs if "matmul_ceiling" in run]
    best = {threads: max(rate for t, rate in seen if t == threads) for threads, _ in seen}
    count = sum(rate < 0.9 * best[threads] for threads, rate in seen)
    return f" In {count} of Glassbox's {len(seen)} runs others used the cores: by their multiply-adds, below nine tenths of the best." if count else ""


def rounds(models, what, tokens):
    return min(len(m.of(OURS, what, tokens, m.many)) for m in models)


def tables(runs):
    models = [Model(entry) for entry in runs["models"].values()]
    machine = runs["machine"]
    kernels = sorted({run["kernels"] for m in models for run in m.runs if "kernels" in run})
    dates = sorted({m.date for m in models})
    return f"""**The machine:** {machine["cpu"]} (family/model/stepping {machine["family"]}), {machine["cores"]} cores, \
{machine["memory_gib"]} GiB; {", ".join(machine["units"])}. Glassbox ran its kernels `{"`, `".join(kernels)}`; llama.cpp \
is {runs["peer"]}. Measured {" to ".join(dict.fromkeys((dates[0], dates[-1])))}.{disturbed(models)}

{ceilings_table(models)}

**Answers** of {models[0].answer} tokens from an empty context, tokens a second, medians of {rounds(models, "answer", models[0].answer)}:

{answers_table(models)}

**Prompts**, {models[0].many} threads, tokens a second, medians of {rounds(models, "prompt", 512)}, of 4,096 tokens \
{rounds(models, "prompt", 4096)}:

{prompts_table(models)}"""


# --- plots ---

STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.small { font-size: 12px; fill: #59636e }
.ours { fill: #0b6bcb } .peer { fill: #b9c2cc } .long { fill: #7db4ec }
.axis { stroke: #d1d9e0 } .one { stroke: #59636e; stroke-dasharray: 4 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #9198a1 }
  .ours { fill: #4c9aed } .peer { fill: #5b6570 } .long { fill: #2f5f94 }
  .axis { stroke: #3d444d } .one { stroke: #9198a1 }
}
</style>"""
LEFT, WIDTH, BAR, GAP, TOP = 240, 400, 15, 16, 62


def plot(title, legend, groups, most, ticks, line=None):
    """Horizontal bars. legend: [(class, text)]; groups: [(name, [(class, value, label)])]; ticks: [(value, text)]."""
    x = lambda value: LEFT + WIDTH * min(value, most) / most
    out, y = [], TOP
    for name, bars in groups:
        out.append(f'<text x="{LEFT - 10}" y="{y + BAR * len(bars) / 2 + 5:.0f}" text-anchor="end">{html.escape(name)}</text>')
        for kind, value, label in bars:
            if value is not None:
                out.append(f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{x(value) - LEFT:.1f}" height="{BAR - 2}"/>'
                           f'<text class="small" x="{x(value) + 6:.1f}" y="{y + 11}">{html.escape(label)}</text>')
            y += BAR
        y += GAP
    bottom = y - GAP / 2
    axes = [f'<line class="axis" x1="{x(value):.1f}" y1="{TOP - 6}" x2="{x(value):.1f}" y2="{bottom}"/>'
            f'<text class="small" x="{x(value):.1f}" y="{bottom + 16}" text-anchor="middle">{text}</text>' for value, text in ticks]
    if line is not None:
        axes.append(f'<line class="one" x1="{x(line):.1f}" y1="{TOP - 6}" x2="{x(line):.1f}" y2="{bottom}"/>')
    keys, at = [], LEFT
    for kind, text in legend:
        keys.append(f'<rect class="{kind}" x="{at}" y="32" width="11" height="11"/>'
                    f'<text class="small" x="{at + 16}" y="42">{html.escape(text)}</text>')
        at += 30 + 7 * len(text)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 150} {bottom + 26:.0f}" role="img">\n'
            f'<title>{html.escape(title)}</title>\n{STYLE}\n<text x="{LEFT}" y="18">{html.escape(title)}</text>\n'
            + "\n".join(keys + axes + out) + "\n</svg>\n")


def answers_plot(models):
    groups = []
    for m in models:
        groups.append((m.title, [
            (kind, m.share(program, m.many),
             f"{percent(m.share(program, m.many))}: {number(m.speed(program, 'answer', m.answer, m.many))} tokens/s")
            for kind, program in (("ours", OURS), ("peer", PEER))]))
    return plot(f"Answers, {models[0].many} threads: share of the rate at which memory gives the weights",
                [("ours", "Glassbox"), ("peer", "llama.cpp")], groups, 1,
                [(share / 100, f"{share} %") for share in (0, 25, 50, 75, 100)])


def prompts_plot(models):
    kinds = (("ours", 512), ("long", 4096))
    groups = [(m.title, [(kind, m.ratio("prompt", tokens, m.many),
                          f"{times(m.ratio('prompt', tokens, m.many))}: "
                          f"{number(m.speed(OURS, 'prompt', tokens, m.many))} tokens/s") for kind, tokens in kinds])
              for m in models]
    most = max([2.0] + [value for _, bars in groups for _, value, _ in bars if value is not None])
    step = 1 if most <= 8 else 2
    return plot(f"Prompts, {models[0].many} threads: times llama.cpp's speed", [("ours", "512 tokens"), ("long", "4,096 tokens")],
                groups, most, [(value, f"{value}x") for value in range(0, int(most) + 1, step)], line=1)


def renew(docs, runs):
    """Between the marks of performance.md the tables, and the plots it shows."""
    models = [Model(entry) for entry in runs["models"].values()]
    page = docs / "performance.md"
    begin, end = "<!-- figures: made by bench/peer.py --page -->\n", "\n<!-- /figures -->"
    before, rest = page.read_text().split(begin)
    page.write_text(before + begin + tables(runs) + end + rest.split(end)[1])
    (docs / "images/answers.svg").write_text(answers_plot(models))
    (docs / "images/prompts.svg").write_text(prompts_plot(models))
