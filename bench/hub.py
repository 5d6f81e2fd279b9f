#!/usr/bin/env python3
"""The hub measured: what variants cost it, how fast bytes move beside nginx, and how much memory large files take.

    bench/hub.py variants          # a base of 300 MB and 12 variants: stored bytes / bytes, by kind of variant
    bench/hub.py speed             # downloads beside nginx, of the same file, in turn; an upload with hashing and chunking
    bench/hub.py memory [GB]       # a file of 5 GB up and down: the server's largest resident memory
    bench/hub.py kills [N]         # 300 kills (tests/clients/hub_kill_test.py)

Every server is build/release/glassbox on a folder of its own below build/hub, which goes afterwards. `variants` sends all
files twice, to two empty hubs: whole, so that this hub cuts them, and by hf_xet, which cuts them itself, where
build/venv has it (scripts/check peers). nginx is looked for on the PATH.
"""
import argparse, hashlib, http.client, json, os, pathlib, shutil, struct, subprocess, sys, tempfile, time, urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "build/release/glassbox"
PYTHON = ROOT / "build/venv/bin/python"
PLACE = ROOT / "build/hub"
MB = 1_000_000


class Hub:
    """A server on an empty store."""

    def __init__(self):
        PLACE.mkdir(parents=True, exist_ok=True)
        self.home = pathlib.Path(tempfile.mkdtemp(dir=PLACE))
        self.process = subprocess.Popen([PROGRAM, "serve", "glassbox/prism", "--port", "0", "--quiet"], text=True,
                                        env={**os.environ, "GLASSBOX_HOME": str(self.home)}, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        self.url = self.process.stdout.readline().split()[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.home)

    def stored(self):
        """Bytes of the store's large part."""
        return sum(file.stat().st_size for file in (self.home / "hub/blobs").rglob("*") if file.is_file())

    def most_memory(self):
        """The largest resident memory so far, in bytes."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024

    def ask(self, method, path, body=None, headers=None):
        address = urllib.parse.urlsplit(path if path.startswith("http") else self.url + path)
        connection = http.client.HTTPConnection(address.netloc, timeout=600)
        connection.request(method, address.path + (f"?{address.query}" if address.query else ""), body, headers or {})
        answer = connection.getresponse()
        data = answer.read()
        if answer.status >= 300:
            sys.exit(f"hub.py: {method} {path}: {answer.status} {data[:300]}")
        return data

    def ask_json(self, method, path, body, kind="application/json"):
        return json.loads(self.ask(method, path, json.dumps(body), {"Content-Type": kind}))

    def send_whole(self, repository, name, file):
        """By git-lfs's basic transfer, and a commit; returns the seconds of the transfer alone."""
        digest = hashlib.file_digest(open(file, "rb"), "sha256").hexdigest()
        size = file.stat().st_size
        self.ask_json("POST", "/api/repos/create", {"name": repository})
        batch = self.ask_json("POST", f"/local/{repository}.git/info/lfs/objects/batch",
                              {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": digest, "size": size}]},
                              "application/vnd.git-lfs+json")
        actions, seconds = batch["objects"][0].get("actions"), 0.0
        if actions:
            began = time.monotonic()
            with open(file, "rb") as body:
                self.ask("PUT", actions["upload"]["href"], body, {"Content-Length": str(size)})
            seconds = time.monotonic() - began
        lines = [{"key": "header", "value": {"summary": "file", "description": ""}},
                 {"key": "lfsFile", "value": {"path": name, "algo": "sha256", "oid": digest, "size": size}}]
        self.ask("POST", f"/api/models/local/{repository}/commit/main", "\n".join(map(json.dumps, lines)),
                 {"Content-Type": "application/x-ndjson"})
        return seconds


def write_safetensors(file, tensors):
    """Of numpy's uint16 arrays, which stand for bf16."""
    header, at = {}, 0
    for name, values in tensors.items():
        header[name] = {"dtype": "BF16", "shape": list(values.shape), "data_offsets": [at, at + values.nbytes]}
        at += values.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(file, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for values in tensors.values():
            out.write(values.tobytes())


def make_variants(folder):
    """(kind, file) of a base of 300 MB and its variants, as training leaves them: random weights of a small Llama's shapes."""
    import numpy
    random = numpy.random.default_rng(1)

    def bf16(values):
        bits = values.astype(numpy.float32).view(numpy.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(numpy.uint16)

    def floats(values):
        return (values.astype(numpy.uint32) << 16).view(numpy.float32)

    hidden, inner, layers = 1024, 2816, 11
    shapes = {"model.embed_tokens.weight": (16_000, hidden)}
    for layer in range(layers):
        for part, shape in {"self_attn.q_proj": (hidden, hidden), "self_attn.k_proj": (256, hidden), "self_attn.v_proj": (256, hidden),
                            "self_attn.o_proj": (hidden, hidden), "mlp.gate_proj": (inner, hidden), "mlp.up_proj": (inner, hidden),
                            "mlp.down_proj": (hidden, inner)}.items():
            shapes[f"model.layers.{layer}.{part}.weight"] = shape
    base = {name: bf16(random.normal(0, 0.02, shape)) for name, shape in shapes.items()}
    made = []

    def put(kind, name, tensors):
        file = folder / f"{name}.safetensors"
        write_safetensors(file, tensors)
        made.append((kind, file))

    put("base", "base", base)
    for number in range(6):  # merged into the attention's four products, a quarter of all tensors by number and less by bytes
        merged = dict(base)
        quarter = [name for name in base if "q_proj" in name or "v_proj" in name]
        for name in quarter[: len(base) // 4]:
            rows, columns = base[name].shape
            change = random.normal(0, 0.02, (rows, 16)) @ random.normal(0, 0.02, (16, columns))
            merged[name] = bf16(floats(base[name]) + change)
        put("LoRA merged into a quarter of the tensors", f"lora-{number}", merged)
    for number in range(3):
        put("fully fine-tuned", f"tuned-{number}",
            {name: bf16(floats(values) + random.normal(0, 1e-4, values.shape)) for name, values in base.items()})
    for number in range(3):
        file = folder / f"copy-{number}.safetensors"
        shutil.copyfile(made[0][1], file)
        made.append(("renamed copy", file))
    return made


SEND_BY_XET = """
import sys
from huggingface_hub import HfApi
api = HfApi(token="local")
api.create_repo(sys.argv[1])
api.upload_file(repo_id=sys.argv[1], path_or_fileobj=sys.argv[2], path_in_repo="model.safetensors")
"""


def variants(_):
    PLACE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PLACE) as folder:
        made = make_variants(pathlib.Path(folder))
        figures = {}
        with Hub() as ours, Hub() as theirs:
            for kind, file in made:
                size, figure = file.stat().st_size, figures.setdefault(kind, [0, 0, 0, 0])
                figure[0] += 1
                figure[1] += size
                before = ours.stored()
                ours.send_whole(file.stem, "model.safetensors", file)
                figure[2] += ours.stored() - before
                if PYTHON.exists():
                    before = theirs.stored()
                    subprocess.run([PYTHON, "-c", SEND_BY_XET, f"local/{file.stem}", file], check=True, capture_output=True,
                                   env={**os.environ, "HF_ENDPOINT": theirs.url, "HF_HOME": str(theirs.home / "hf"),
                                        "HF_HUB_DISABLE_PROGRESS_BARS": "1"})
                    figure[3] += theirs.stored() - before
        print(f"{'kind':44} {'files':>5} {'MB':>7}   stored / bytes   sent by hf_xet")
        for kind, (files, size, stored, sent) in figures.items():
            by_xet = f"{sent / size:.3f}" if PYTHON.exists() else "-"
            print(f"{kind:44} {files:5} {size / MB:7.0f}   {stored / size:14.3f}   {by_xet:>14}")
        size, stored, sent = (sum(figure[i] for figure in figures.values()) for i in (1, 2, 3))
        by_xet = f"{sent / size:.3f}" if PYTHON.exists() else "-"
        print(f"{'all':44} {len(made):5} {size / MB:7.0f}   {stored / size:14.3f}   {by_xet:>14}")


def download(url):
    """MB/s of one download that is thrown away."""
    began = time.monotonic()
    done = subprocess.run(["curl", "-sSf", "-o", "/dev/null", "-w", "%{size_download}", url], check=True, capture_output=True, text=True)
    return int(done.stdout) / MB / (time.monotonic() - began)


def median(values):
    return sorted(values)[len(values) // 2]


def speed(_):
    size = 1000 * MB
    with Hub() as hub, tempfile.TemporaryDirectory(dir=PLACE) as folder:
        folder = pathlib.Path(folder)
        file = folder / "model.bin"
        with open(file, "wb") as out:
            for _ in range(size // MB):
                out.write(os.urandom(MB))
        seconds = hub.send_whole("speed", "model.bin", file)
        print(f"upload, hashed, cut and synced: {size / MB / seconds:.0f} MB/s")
        mine = f"{hub.url}/local/speed/resolve/main/model.bin"
        nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        if not nginx:
            sys.exit(f"download: {median([download(mine) for _ in range(5)]):.0f} MB/s; no nginx to compare with")
        (folder / "nginx.conf").write_text(f"""
worker_processes 2; daemon off; pid {folder}/pid; error_log {folder}/error.log;
user root;
events {{ worker_connections 64; }}
http {{ access_log off; sendfile on; server {{ listen 127.0.0.1:18081; root {folder}; }} }}
""")
        server = subprocess.Popen([nginx, "-c", folder / "nginx.conf"], stderr=subprocess.DEVNULL)
        try:
            time.sleep(1)
            theirs = "http://127.0.0.1:18081/model.bin"
            download(mine), download(theirs)
            pairs = [(download(mine), download(theirs)) for _ in range(5)]
        finally:
            server.terminate()
            server.wait()
        a, b = median([pair[0] for pair in pairs]), median([pair[1] for pair in pairs])
        print(f"download of the same {size // MB} MB, five times in turn: {a:.0f} MB/s, nginx {b:.0f} MB/s, ratio {a / b:.2f}")


def memory(arguments):
    size = int(float(arguments[0] if arguments else 5) * 1000) * MB
    with Hub() as hub, tempfile.TemporaryDirectory(dir=PLACE) as folder:
        file = pathlib.Path(folder) / "model.bin"
        with open(file, "wb") as out:
            for _ in range(size // MB):
                out.write(os.urandom(MB))
        at_rest = hub.most_memory()
        seconds = hub.send_whole("memory", "model.bin", file)
        up = hub.most_memory()
        rate = download(f"{hub.url}/local/memory/resolve/main/model.bin")
        down = hub.most_memory()
        print(f"{size / MB:.0f} MB: up {size / MB / seconds:.0f} MB/s, down {rate:.0f} MB/s; largest resident memory "
              f"{at_rest / MB:.0f} MB before, {up / MB:.0f} MB after it went up, {down / MB:.0f} MB after it came down")


def kills(arguments):
    subprocess.run([sys.executable, ROOT / "tests/clients/hub_kill_test.py", PROGRAM, *(arguments or ["300"])], check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["variants", "speed", "memory", "kills"])
    parser.add_argument("arguments", nargs="*")
    given = parser.parse_args()
    {"variants": variants, "speed": speed, "memory": memory, "kills": kills}[given.what](given.arguments)
