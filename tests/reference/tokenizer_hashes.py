"""Writes tests/fixtures/tokenizer_hashes.json: what the reference implementations make of 5 MB of mixed text, as hashes.

    python tests/reference/tokenizer_hashes.py ../shared/data tests/fixtures/tokenizer_hashes.json

tokenizers 0.23.3, tiktoken 0.14.0, sentencepiece 0.2.3. A chunk's hash is the first 16 hexadecimal digits of the SHA-256
of its ids as little-endian int32, without anything added around the text. src/text/tokenizer_data_test.cc builds the same
chunks from the same files and from the same generator of characters.
"""
import base64
import hashlib
import json
import pathlib
import struct
import sys

import sentencepiece
import tiktoken
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tiktoken_ext import openai_public

FILES = ["text/tinyshakespeare/input.txt", "text/tinystories/tinystories_sample.txt", "text/grimm/tales.txt", "text/enwiki_2015/AA/wiki_00",
         "text/classic_books/Jane Austen/Emma.md", "eval/gsm8k", "chat_templates/llama.cpp"]
CHUNK = 65536
FROM_EACH = 900_000
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
          r"\s*[\r\n]+|\s+(?!\S)|\s+")
SPECIAL = ["<s>", "</s>", "<unk>", "<|endoftext|>", "<|begin_of_text|>", "<|eot_id|>", "<|im_start|>", "<|im_end|>"]


def file_bytes(data, name):
    path = data / name
    if path.is_dir():
        return b"".join(p.read_bytes() for p in sorted(path.rglob("*"), key=lambda p: str(p).encode()) if p.is_file())
    return path.read_bytes()


def cut(raw):
    """Chunks of at most CHUNK bytes, cut before a character."""
    raw = raw[:FROM_EACH]
    at = 0
    while at < len(raw):
        end = min(at + CHUNK, len(raw))
        while end < len(raw) and raw[end] & 0xC0 == 0x80:
            end -= 1
        text = raw[at:end]
        try:
            yield text.decode("utf-8")
        except UnicodeDecodeError:
            pass  # a file's end, or a file that is not UTF-8
        at = end


def generated(seed, count):
    """Characters of all planes, spaces, words and special tokens, from a linear congruential generator."""
    state = seed
    out = []

    def draw(n):
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) & (2**64 - 1)
        return (state >> 33) % n

    for _ in range(count):
        k = draw(100)
        if k < 40:
            out.append(chr(0x20 + draw(0x5F)))
        elif k < 55:
            out.append(" \n\r\t'\u00a0\u3000\u2581\u0085\u180e  "[draw(12)])
        elif k < 70:
            out.append(chr(0x80 + draw(0x780)))
        elif k < 80:
            out.append(chr(0x4E00 + draw(0x5200)))
        elif k < 88:
            c = 0x800 + draw(0xF800)
            out.append(chr(c) if not 0xD800 <= c < 0xE000 else "'")
        elif k < 95:
            out.append(chr(0x10000 + draw(0x100000)))
        elif k < 97:
            out.append(SPECIAL[draw(len(SPECIAL))])
        else:
            out.append("a -1=\n"[draw(6)] * (1 + draw(70)))
    return "".join(out)


def chunks(data):
    for name in FILES:
        yield from cut(file_bytes(data, name))
    for seed in range(16):
        yield generated(seed, 20000)


def ranks(path):
    return {base64.b64decode(line.split()[0]): int(line.split()[1]) for line in path.read_bytes().splitlines() if line}


def pattern(name):
    """The encodings' own patterns, without fetching their vocabularies."""
    kept = openai_public.load_tiktoken_bpe
    openai_public.load_tiktoken_bpe = lambda *args, **kwargs: {}
    try:
        return getattr(openai_public, name)()["pat_str"]
    finally:
        openai_public.load_tiktoken_bpe = kept


def references(data):
    t = data / "tokenizers"
    hf = Tokenizer.from_file(str(t / "llama2/hf/tokenizer.json"))
    yield "llama2/hf", "text", lambda text: hf.encode(text, add_special_tokens=False).ids
    spm = sentencepiece.SentencePieceProcessor(model_file=str(t / "llama2/tokenizer.model"))
    yield "llama2/tokenizer.model", "plain", spm.encode
    mistral = sentencepiece.SentencePieceProcessor(model_file=str(t / "mistral/mistral_instruct_tokenizer_240323.model.v3"))
    yield "mistral/mistral_instruct_tokenizer_240323.model.v3", "plain", mistral.encode
    for path, pat in [("llama3/tokenizer.model", LLAMA3), ("openai/r50k_base.tiktoken", pattern("r50k_base")),
                      ("openai/cl100k_base.tiktoken", pattern("cl100k_base")), ("openai/o200k_base.tiktoken", pattern("o200k_base"))]:
        encoding = tiktoken.Encoding(path, pat_str=pat, mergeable_ranks=ranks(t / path), special_tokens={})
        yield path, "plain", encoding.encode_ordinary
    gpt2 = Tokenizer(models.BPE.from_file(str(t / "openai/encoder.json"), str(t / "openai/vocab.bpe")))
    gpt2.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    gpt2.add_special_tokens([AddedToken("<|endoftext|>", special=True, normalized=False)])
    yield "gpt2 vocab.json + merges.txt", "text", lambda text: gpt2.encode(text).ids
    llama3 = Tokenizer(models.BPE(*models.BPE.read_file(str(t / "llama3/hf-style/encoder.json"), str(t / "llama3/hf-style/vocab.bpe")), ignore_merges=True))
    llama3.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    names = ["<|begin_of_text|>", "<|end_of_text|>"] + [f"<|{i}|>" for i in range(2, 9)] + ["<|eot_id|>"]
    llama3.add_special_tokens([AddedToken(n, special=True, normalized=False) for n in names])
    yield "llama3 tokenizer.json", "text", lambda text: llama3.encode(text).ids
    qwen = Tokenizer(models.BPE.from_file(str(t / "qwen2/vocab.json"), str(t / "qwen2/merges.txt")))
    qwen.normalizer = normalizers.NFC()
    qwen.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3.replace("{1,3}", "")), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    qwen.add_special_tokens([AddedToken(n, special=True, normalized=False) for n in ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]])
    yield "qwen2", "text", lambda text: qwen.encode(text).ids
    olmo = Tokenizer.from_file(str(t / "olmo/olmo-7b-hf/tokenizer.json"))
    yield "olmo/olmo-7b-hf", "text", lambda text: olmo.encode(text, add_special_tokens=False).ids
    dolma2 = Tokenizer.from_file(str(t / "olmo/allenai_dolma2.json"))
    yield "olmo/allenai_dolma2.json", "text", lambda text: dolma2.encode(text, add_special_tokens=False).ids


def main():
    data = pathlib.Path(sys.argv[1])
    texts = list(chunks(data))
    out = {"files": FILES, "chunk": CHUNK, "from_each": FROM_EACH, "special": SPECIAL, "generated": {"seeds": 16, "count": 20000}, "chunks": len(texts),
           "bytes": sum(len(t.encode()) for t in texts), "tokenizers": []}
    for name, how, encode in references(data):
        hashes, tokens = [], 0
        for text in texts:
            ids = encode(text)
            tokens += len(ids)
            hashes.append(hashlib.sha256(struct.pack(f"<{len(ids)}i", *ids)).hexdigest()[:16])
        print(name, tokens, flush=True)
        out["tokenizers"].append({"path": name, "encode": how, "tokens": tokens, "hashes": " ".join(hashes)})
    pathlib.Path(sys.argv[2]).write_text(json.dumps(out, indent=1, ensure_ascii=True) + "\n")


main()
