"""MB of English prose per second of one core, as the references encode it; beside bench/tokenizer_bench.cc.

    python tests/reference/tokenizer_speed.py ../shared/data

tokenizers 0.23.3, tiktoken 0.14.0, sentencepiece 0.2.3; processor time, best of 3, in texts of 64 KiB.
"""
import base64
import os
import pathlib
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import sentencepiece
import tiktoken
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
           r"\s*[\r\n]+|\s+(?!\S)|\s+")

UPPER, LOWER, END = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]", r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
O200K = (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{END}|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{END}|"
         r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def prose(data):
    raw = b""
    for path in sorted(str(p) for p in (data / "text/classic_books").rglob("*.md")):
        if len(raw) < 8_000_000:
            raw += pathlib.Path(path).read_bytes()
    raw = raw[:8_000_000]
    return [raw[at : at + 65536].decode("utf-8", "ignore") for at in range(0, len(raw), 65536)], len(raw)


def main():
    data = pathlib.Path(sys.argv[1])
    texts, size = prose(data)
    t = data / "tokenizers"
    ranks = {base64.b64decode(l.split()[0]): int(l.split()[1]) for l in (t / "llama3/tokenizer.model").read_bytes().splitlines() if l}
    llama3 = tiktoken.Encoding("llama3", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})
    llama3_hf = Tokenizer(models.BPE(*models.BPE.read_file(str(t / "llama3/hf-style/encoder.json"), str(t / "llama3/hf-style/vocab.bpe")), ignore_merges=True))
    llama3_hf.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PATTERN), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    o200k_ranks = {base64.b64decode(l.split()[0]): int(l.split()[1]) for l in (t / "openai/o200k_base.tiktoken").read_bytes().splitlines() if l}
    o200k = tiktoken.Encoding("o200k", pat_str=O200K, mergeable_ranks=o200k_ranks, special_tokens={})
    llama2_hf = Tokenizer.from_file(str(t / "llama2/hf/tokenizer.json"))
    llama2 = sentencepiece.SentencePieceProcessor(model_file=str(t / "llama2/tokenizer.model"))
    for name, encode in [("o200k, tiktoken", o200k.encode_ordinary), ("llama3, tiktoken", llama3.encode_ordinary), ("llama3, tokenizers", lambda s: llama3_hf.encode(s, add_special_tokens=False).ids),
                         ("llama2, tokenizers", lambda s: llama2_hf.encode(s, add_special_tokens=False).ids), ("llama2, sentencepiece", llama2.encode)]:
        best = float("inf")
        for _ in range(3):
            begin = time.process_time()
            for text in texts:
                encode(text)
            best = min(best, time.process_time() - begin)
        print(f"{name:24} {size / 1e6 / best:8.2f} MB/s", flush=True)


main()
