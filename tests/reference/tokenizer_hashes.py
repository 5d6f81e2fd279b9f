"""Writes tests/fixtures/tokenizer_hashes.json: what the reference implementations make of 20 MB of text and of
random Unicode, as hashes. Takes ten minutes of one core. With names, only those are asked anew.

    python tests/reference/tokenizer_hashes.py ../shared/data tests/fixtures/tokenizer_hashes.json [NAME...]

tokenizers 0.23.3, tiktoken 0.14.0, sentencepiece 0.2.3. A chunk's hash is the first 16 hexadecimal digits of the SHA-256
of its ids as little-endian int32, without anything added around the text. tests/tokenizer_conformance_test.cc builds the
same chunks from the same files and from the same generator of characters, and knows them by the hash of their bytes.
"""
import base64
import hashlib
import json
import pathlib
import struct
import sys

import sentencepiece
import tiktoken
from tokenizers import AddedToken, BertWordPieceTokenizer, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tiktoken_ext import openai_public
from transformers import AutoTokenizer, CLIPTokenizer

FILES = ["text/tinyshakespeare", "text/tinystories", "text/grimm", "text/african_storybook_en", "text/pratham_books_en", "text/enwiki_2015",
         "text/classic_books", "text/fairytaleqa"]
CHUNK = 65536
FROM_EACH = 5_000_000
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
          r"\s*[\r\n]+|\s+(?!\S)|\s+")
SPECIAL = ["<s>", "</s>", "<unk>", "<|endoftext|>", "<|begin_of_text|>", "<|eot_id|>", "<|im_start|>", "<|im_end|>"]


def file_bytes(data, name):
    path = data / name
    if path.is_dir():
        return b"".join(p.read_bytes() for p in sorted(path.rglob("*"), key=lambda p: str(p).encode()) if p.is_file())
    return path.read_bytes()


def cut(raw, size=CHUNK):
    """Chunks of at most so many bytes, cut before a character."""
    at = 0
    while at < len(raw):
        end = min(at + size, len(raw))
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
        yield from cut(file_bytes(data, name)[:FROM_EACH])
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


TEKKEN = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
          r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK = ["\\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
            "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"]


def byte_names():
    """GPT-2's alphabet: a character for every byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return {**{b: chr(b) for b in plain}, **{b: chr(256 + i) for i, b in enumerate(others)}}


def alphabet_ranks(path, first):
    """Ranks of a file whose tokens are written in GPT-2's alphabet; ids before `first` are special."""
    byte_of = {c: b for b, c in byte_names().items()}
    lines = [line.split() for line in path.read_bytes().splitlines() if line]
    return {bytes(byte_of[c] for c in base64.b64decode(token).decode()): int(rank) for token, rank in lines if int(rank) >= first}


def deepseek_tokenizer(path):
    """As DeepSeek publishes it: merges, each of the two parts that the merges before it make of a token."""
    known = alphabet_ranks(path, 3)
    name = byte_names()
    merges = []
    for token, rank in sorted(known.items(), key=lambda item: item[1]):
        parts = [bytes([b]) for b in token]
        while len(parts) > 2:
            best = min((known.get(parts[i] + parts[i + 1], rank), i) for i in range(len(parts) - 1))
            if best[0] >= rank:
                break
            parts[best[1] : best[1] + 2] = [parts[best[1]] + parts[best[1] + 1]]
        if len(parts) == 2:
            merges.append(tuple("".join(name[b] for b in part) for part in parts))
    vocab = {"".join(name[b] for b in token): rank for token, rank in known.items()}
    out = Tokenizer(models.BPE(vocab, merges))
    splits = [pre_tokenizers.Split(Regex(p), "isolated") for p in DEEPSEEK]
    out.pre_tokenizer = pre_tokenizers.Sequence([*splits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    return out


def clip_tokenizer(folder):
    vocab = json.loads((folder / "vocab.json").read_text())
    merges = [tuple(line.split(" ")) for line in (folder / "merges.txt").read_text().split("\n")[1:] if line]
    return CLIPTokenizer(vocab=vocab, merges=merges)._tokenizer


def references(data):
    t = data / "tokenizers"
    hf = Tokenizer.from_file(str(t / "llama2/hf/tokenizer.json"))
    yield "llama2/hf", "text", lambda text: hf.encode(text, add_special_tokens=False).ids
    spm = sentencepiece.SentencePieceProcessor(model_file=str(t / "llama2/tokenizer.model"))
    yield "llama2/tokenizer.model", "plain", spm.encode
    for name in ["tokenizer.model.v1", "mistral_instruct_tokenizer_240216.model.v2", "mistral_instruct_tokenizer_240323.model.v3",
                 "mistral_instruct_tokenizer_241114.model.v7", "mistral_instruct_tokenizer_241114.model.v7m1"]:
        mistral = sentencepiece.SentencePieceProcessor(model_file=str(t / "mistral" / name))
        yield f"mistral/{name}", "plain", mistral.encode
    for name in ["t5/spiece.model", "tiny/m.model"]:
        pieces = sentencepiece.SentencePieceProcessor(model_file=str(t / name))
        yield name, "plain", pieces.encode
    for name in ["t5/tokenizer.json", "tiny/tiny_bpe_tokenizer.json", "olmo/allenai_eleuther-ai-gpt-neox-20b-pii-special.json",
                 "olmo/allenai_gpt-neox-olmo-dolma-v1_5.json"]:
        whole = Tokenizer.from_file(str(t / name))
        yield name, "text", lambda text, whole=whole: whole.encode(text, add_special_tokens=False).ids
    bert = BertWordPieceTokenizer(str(t / "hf_configs/bert-vocab.txt"))
    yield "hf_configs/bert-vocab.txt", "text", lambda text: bert.encode(text, add_special_tokens=False).ids
    clip = clip_tokenizer(t / "clip")
    yield "clip", "text", lambda text: clip.encode(text, add_special_tokens=False).ids
    deepseek = deepseek_tokenizer(t / "deepseek_v3/deepseek_v3.tiktoken")
    yield "deepseek_v3/deepseek_v3.tiktoken", "plain", lambda text: deepseek.encode(text, add_special_tokens=False).ids
    tekken = tiktoken.Encoding("tekken", pat_str=TEKKEN, mergeable_ranks=alphabet_ranks(t / "mistral/mistral_v3_tekken.tiktoken", 1000), special_tokens={})
    yield "mistral/mistral_v3_tekken.tiktoken", "plain", tekken.encode_ordinary
    for path, pat in [("llama4/tokenizer.model", pattern("o200k_base")), ("llama3/tokenizer.model", LLAMA3), ("openai/r50k_base.tiktoken", pattern("r50k_base")), ("openai/p50k_base.tiktoken", pattern("p50k_base")), ("tiny/tiktoken_small.model", LLAMA3),
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
    folder = AutoTokenizer.from_pretrained(t / "olmo/dolma2-hf")._tokenizer
    yield "olmo/dolma2-hf", "text", lambda text: folder.encode(text, add_special_tokens=False).ids


def hash_of(raw):
    return hashlib.sha256(raw).hexdigest()[:16]


def main():
    data, target, wanted = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:]
    kept = {one["path"]: one for one in json.loads(target.read_text())["tokenizers"]} if wanted else {}
    texts = list(chunks(data))
    out = {"files": FILES, "chunk": CHUNK, "from_each": FROM_EACH, "special": SPECIAL, "generated": {"seeds": 16, "count": 20000},
           "texts": " ".join(hash_of(text.encode()) for text in texts), "tokenizers": []}
    for name, how, encode in references(data):
        if wanted and name not in wanted:
            out["tokenizers"].append(kept[name])
            continue
        hashes = [hash_of(struct.pack(f"<{len(ids)}i", *ids)) for ids in map(encode, texts)]
        print(name, flush=True)
        out["tokenizers"].append({"path": name, "encode": how, "hashes": " ".join(hashes)})
    target.write_text(json.dumps(out, indent=1, ensure_ascii=True) + "\n")


main()
