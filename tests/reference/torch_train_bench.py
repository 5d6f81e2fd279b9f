"""The same training step in PyTorch and here, in turn: tokens per second, and their ratio.

    python tests/reference/torch_train_bench.py [--layers 4] [--rounds 3] [--threads 2] [--compile]

Model: Llama of Prism's shape (RMSNorm, rotary, grouped heads, gated MLP, tied output). Step: documents of 100 to 200
tokens, about --batch tokens in passes of --micro, loss on every token, gradients clipped, AdamW. PyTorch gets its choice of
two ways to keep documents apart, rows padded to 200 or one packed row with a block mask, and of float32 and bf16 autocast;
its best counts. Padding is not counted as tokens. Needs torch.
"""
import argparse
import json
import subprocess
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

WIDTH, HEADS, KV_HEADS, MLP, VOCAB = 256, 8, 4, 640, 1536
HEAD = WIDTH // HEADS


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.o = nn.Linear(WIDTH, WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.k, self.v = (nn.Linear(WIDTH, KV_HEADS * HEAD, bias=False) for _ in range(2))
        self.gate, self.up = (nn.Linear(WIDTH, MLP, bias=False) for _ in range(2))
        self.down = nn.Linear(MLP, WIDTH, bias=False)
        self.norm1, self.norm2 = nn.RMSNorm(WIDTH, eps=1e-5), nn.RMSNorm(WIDTH, eps=1e-5)

    def forward(self, x, cos, sin, mask):
        b, t, _ = x.shape
        n = self.norm1(x)

        def rotate(y, heads):
            y = y.view(b, t, heads, HEAD).transpose(1, 2)
            first, second = y.chunk(2, -1)
            return y * cos + torch.cat((-second, first), -1) * sin

        q, k = rotate(self.q(n), HEADS), rotate(self.k(n), KV_HEADS)
        v = self.v(n).view(b, t, KV_HEADS, HEAD).transpose(1, 2)
        k, v = (y.repeat_interleave(HEADS // KV_HEADS, 1) for y in (k, v))
        a = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        x = x + self.o(a.transpose(1, 2).reshape(b, t, WIDTH))
        n = self.norm2(x)
        return x + self.down(F.silu(self.gate(n)) * self.up(n))


class Llama(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, WIDTH)
        self.layers = nn.ModuleList(Block() for _ in range(layers))
        self.norm = nn.RMSNorm(WIDTH, eps=1e-5)

    def forward(self, tokens, positions, mask):
        angles = positions[..., None].float() * (10000.0 ** (-torch.arange(0, HEAD, 2).float() / HEAD))
        angles = torch.cat((angles, angles), -1).unsqueeze(1)
        cos, sin = angles.cos(), angles.sin()
        x = self.embed(tokens)
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        return F.linear(self.norm(x), self.embed.weight)


class Contender:
    def __init__(self, args, dtype, padded, compiled):
        torch.manual_seed(1)
        self.name = f"{dtype} {'padded' if padded else 'packed'}{' compiled' if compiled else ''}"
        self.model = Llama(args.layers)
        nn.init.normal_(self.model.embed.weight, std=0.02)
        self.walk = torch.compile(self.model) if compiled else self.model
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
        self.autocast = dtype == "bf16"
        # One batch, the same every step: making batches is not what is measured.
        generator = torch.Generator().manual_seed(2)
        self.micro = []
        per_pass = args.micro // 150
        for _ in range(max(1, args.batch // args.micro)):
            lengths = (torch.arange(per_pass) * 101 // per_pass + 100).tolist()
            documents = [torch.randint(VOCAB, (n,), generator=generator) for n in lengths]
            if padded:
                width = max(lengths)
                tokens = torch.stack([F.pad(d, (0, width - len(d))) for d in documents])
                targets = torch.stack([F.pad(d[1:], (0, width - len(d) + 1), value=-100) for d in documents])
                positions, mask = torch.arange(width)[None], None  # what follows a document is never seen by it
            else:
                tokens = torch.cat(documents)[None]
                targets = torch.cat([F.pad(d[1:], (0, 1), value=-100) for d in documents])[None]
                positions = torch.cat([torch.arange(n) for n in lengths])[None]
                mask = torch.block_diag(*[torch.ones(n, n) for n in lengths]).bool().tril()[None, None]
            self.micro.append((tokens, positions, mask, targets, sum(lengths)))
        self.tokens = sum(m[4] for m in self.micro)

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        for tokens, positions, mask, targets, _ in self.micro:
            with torch.autocast("cpu", torch.bfloat16, enabled=self.autocast):
                logits = self.walk(tokens, positions, mask)
            loss = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="sum", ignore_index=-100) / self.tokens
            loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()

    def speed(self, steps):
        begin = time.perf_counter(), time.process_time()
        for _ in range(steps):
            self.step()
        wall, cpu = time.perf_counter() - begin[0], time.process_time() - begin[1]
        return self.tokens * steps / wall, self.tokens * steps / cpu


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--batch", type=int, default=8192)
    parser.add_argument("--micro", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true", help="also try torch.compile (minutes)")
    parser.add_argument("--program", default="build/release/train_step")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    contenders = [Contender(args, dtype, padded, compiled) for dtype in ("f32", "bf16") for padded in (True, False)
                  for compiled in ((False, True) if args.compile else (False,))]
    ours = [args.program, "--layers", args.layers, "--steps", args.steps, "--threads", args.threads, "--vocab", VOCAB,
            "--batch", args.batch, "--micro", args.micro, "--all-rows"]
    for c in contenders:
        c.step()
    torch_speeds = {c.name: (0, 0) for c in contenders}
    our_speed, our_cpu = 0, 0
    for _ in range(args.rounds):
        said = json.loads(subprocess.run(list(map(str, ours)), check=True, capture_output=True, text=True).stdout)
        our_speed, our_cpu = max(our_speed, said["tokens_per_s"]), max(our_cpu, said["tokens_per_cpu_s"])
        for c in contenders:
            torch_speeds[c.name] = tuple(map(max, torch_speeds[c.name], c.speed(args.steps)))
    best = max(torch_speeds, key=lambda name: torch_speeds[name][0])
    print(json.dumps({
        "parameters": said["parameters"], "threads": args.threads, "kernels": said["kernels"],
        "glassbox": {"tokens_per_s": our_speed, "tokens_per_cpu_s": our_cpu, "gflops": round(6e-9 * said["parameters"] * our_speed, 1)},
        "torch": {name: {"tokens_per_s": round(wall), "tokens_per_cpu_s": round(cpu)} for name, (wall, cpu) in torch_speeds.items()},
        "best_of_torch": best, "ratio": round(our_speed / torch_speeds[best][0], 2),
        "ratio_of_cpu_time": round(our_cpu / max(cpu for _, cpu in torch_speeds.values()), 2)}, indent=2))


if __name__ == "__main__":
    main()
