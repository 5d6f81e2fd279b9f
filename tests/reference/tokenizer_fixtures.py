"""Writes tests/fixtures/tokenizers/NAME.json: small tokenizers with every component src/tokenizer supports, and what Hugging
Face's tokenizers 0.23.3 makes of texts that try them.

    python tests/reference/tokenizer_fixtures.py tests/fixtures/tokenizers
"""
import io
import json
import pathlib
import random
import sys
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

# Our own words, so that the vocabularies are ours.
WORDS = """the a river bridge lantern fox kettle mountain harbour whisper seven eleven quickly slowly under over
beside between running runner runs ran walked walking walker window winter water wander wonder thunder blunder
naïve café über straße año mañana Größe élan œuvre Ελλάδα κόσμος река мост фонарь лиса горы שלום نهر 河 橋 灯 狐狸 山 港
don't we'll they've it's I'm you're he'd 3 14 159 2653 58979 ½ ² Ⅷ ٣ …  — “quoted” (aside) [list] {set} a_b x=y; # -> :: // <tag>""".split()
SPACES = [" ", " ", " ", " ", "  ", "   ", "\n", "\n\n", "\t", " \n ", "\r\n", "\u00a0", "\u3000", "\u2003"]
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
          r"\s*[\r\n]+|\s+(?!\S)|\s+")


def corpus(rng, sentences=400):
    return [" ".join(rng.choice(WORDS) for _ in range(rng.randrange(3, 15))) + rng.choice(".!?") for _ in range(sentences)]


def texts(rng, extra, how_many=90):
    out = ["", " ", "  ", "\n", "a", " a", "a ", "  a  b  ", "▁", "▁a", " ▁ ", "<0x41>", "\u0000", "e\u0301", "\u1e9b\u0323", "🙂🙃", "👩‍👩‍👧"]
    for token in extra:
        out += [token, token + token, "a" + token + "b", " " + token + " ", "  " + token + "\n\tb", "a " + token + "b " + token + " c", token[:-1], token.upper()]
    while len(out) < how_many + 8 * len(extra):
        text = ""
        for _ in range(rng.randrange(1, 12)):
            k = rng.random()
            if k < 0.6:
                text += rng.choice(WORDS)
            elif k < 0.7 and extra:
                text += rng.choice(extra)
            elif k < 0.8:
                text += chr(rng.choice([rng.randrange(0x20, 0x250), rng.randrange(0x250, 0xD800), rng.randrange(0xE000, 0x20000)]))
            elif k < 0.85:
                text += rng.choice(["a", "▁", "!", "1", "ab"]) * rng.randrange(2, 30)
            text += rng.choice(SPACES) if rng.random() < 0.7 else ""
        out.append(text)
    return out


def train(model, normalizer, pre_tokenizer, decoder, alphabet, size, special=()):
    tokenizer = Tokenizer(model)
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    if decoder:
        tokenizer.decoder = decoder
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, special_tokens=list(special), show_progress=False, min_frequency=2)
    tokenizer.train_from_iterator(corpus(random.Random(5)), trainer)
    return tokenizer


def byte_alphabet():
    return sorted(pre_tokenizers.ByteLevel.alphabet())


def template(tokenizer, single, names):
    return processors.TemplateProcessing(single=single, special_tokens=[(n, tokenizer.token_to_id(n)) for n in names])


def gpt2():
    t = train(models.BPE(), None, pre_tokenizers.ByteLevel(add_prefix_space=True), decoders.ByteLevel(), byte_alphabet(), 340, ["<s>", "</s>"])
    t.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True), AddedToken("<right>", rstrip=True, special=True)])
    t.add_tokens([AddedToken("word", single_word=True), AddedToken("both", lstrip=True, rstrip=True, normalized=False), AddedToken("foxes"), AddedToken("fox")])
    t.post_processor = template(t, "<s> $A </s>", ["<s>", "</s>"])
    return t, ["<s>", "</s>", "<mask>", "<right>", "word", "both", "foxes", "fox"]


def llama3():
    split = pre_tokenizers.Split(Regex(LLAMA3), "isolated")
    t = train(models.BPE(ignore_merges=True), None, pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]),
              decoders.ByteLevel(), byte_alphabet(), 360)
    # A whole word without the merges that would make it: only ignore_merges finds it.
    spec = json.loads(t.to_str())
    for word in ["Ġlantern", "fox.", "quickly"]:
        spec["model"]["vocab"].setdefault(word, len(spec["model"]["vocab"]))
    t = Tokenizer.from_str(json.dumps(spec))
    t.add_special_tokens([AddedToken(x, special=True, normalized=False) for x in ["<|begin_of_text|>", "<|eot_id|>", "<|eot_id|>x"]])
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template(t, "<|begin_of_text|> $A", ["<|begin_of_text|>"])])
    return t, ["<|begin_of_text|>", "<|eot_id|>", "<|eot_id|>x"]


def llama2():
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    t = train(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True),
              normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]),
              pre_tokenizers.Split("▁", "merged_with_next"), None, [], 480, special)
    spec = json.loads(t.to_str())
    spec["pre_tokenizer"] = None  # only for training: else merges would run across words
    spec["added_tokens"] = [a for a in spec["added_tokens"] if a["id"] < 3]
    t = Tokenizer.from_str(json.dumps(spec))
    t.add_tokens([AddedToken("▁▁▁", normalized=False), AddedToken("river bank", normalized=True)])
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.post_processor = template(t, "<s> $A", ["<s>"])
    return t, ["<s>", "</s>", "<unk>", "▁▁▁", "river bank"]


def crossing():
    """Merges that run across word marks: words may not be taken one by one."""
    special = ["<unk>"]
    t = train(models.BPE(unk_token="<unk>", fuse_unk=True), normalizers.Replace(" ", "▁"), None, decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse()]), [], 300, special)
    return t, ["<unk>"]


def metaspace(scheme, split, fuse):
    t = train(models.BPE(unk_token="<unk>", fuse_unk=fuse), None, pre_tokenizers.Metaspace(prepend_scheme=scheme, split=True),
              decoders.Metaspace(prepend_scheme=scheme), list("abcdefghijklmnopqrstuvwxyz▁."), 260, ["<unk>", "<s>"])
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split)
    return t, ["<s>"]


def nfc():
    t = train(models.BPE(), normalizers.NFC(), pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]),
              decoders.ByteLevel(), byte_alphabet(), 320)
    # Not é: what tokenizers decodes of an added token in Latin-1 letters is broken.
    t.add_tokens([AddedToken("φω\u0301ς", normalized=True), AddedToken("    ", normalized=True), AddedToken("  ", normalized=True), AddedToken("ώ", normalized=False)])
    return t, ["φω\u0301ς", "φώς", "    ", "ώ"]


def nfkc():
    t = train(models.BPE(), normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")]),
              pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True), decoders.ByteLevel(), byte_alphabet(), 320)
    return t, ["ﬁ", "Ⅷ", "①"]


def splits():
    steps = [
        pre_tokenizers.Split(Regex(r"\p{N}{1,3}(?=(?:\p{N}{3})*(?:\P{N}|$))".replace("|$", "|\\r")), "isolated"),
        pre_tokenizers.Split(Regex("[一-龥぀-ゟ゠-ヿ]+"), "isolated"),
        pre_tokenizers.Split(Regex(r"[-_]+"), "merged_with_previous"),
        pre_tokenizers.Split("x", "merged_with_next"),
        pre_tokenizers.Split(Regex(r"[.!]"), "contiguous"),
        pre_tokenizers.Split(Regex(r"[~`]"), "removed"),
        pre_tokenizers.Split(Regex(r"[\p{L}\p{M}]+"), "contiguous", invert=True),
        pre_tokenizers.Digits(individual_digits=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]
    t = train(models.BPE(), None, pre_tokenizers.Sequence(steps), decoders.ByteLevel(), byte_alphabet(), 330)
    return t, ["a-b--c_", "axxb", "1234567", "..!!a", "~a``b", "河橋abc"]


def word_piece(lowercase):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=20))
    t.normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=lowercase)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece(prefix="##", cleanup=lowercase)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    t.train_from_iterator(corpus(random.Random(5)), trainers.WordPieceTrainer(vocab_size=330, special_tokens=special, show_progress=False, min_frequency=2))
    t.post_processor = processors.BertProcessing(("[SEP]", t.token_to_id("[SEP]")), ("[CLS]", t.token_to_id("[CLS]")))
    return t, ["[CLS]", "[MASK]", "naïve", "İstanbul", "walkingwalkingwalkingwalking", "河橋", "a\u0000b\u200bc\ufffdd", "don't ."]


def charsmap():
    """A small precompiled table, made by SentencePiece from rules of our own."""
    rules = {"\uff41": "a", "\u2460": "1", "\ufb01": "fi", "\u00a0": " ", "\u3000": " ", "\u2003": " ", "\t": " ", "\n": " ", "\r": " ", "e\u0301": "é", "\u0301": "", "A\u030a": "Å", "ß": "ss", "\u200b": ""}
    with tempfile.TemporaryDirectory() as folder:
        tsv = pathlib.Path(folder) / "rules.tsv"
        tsv.write_text("".join(" ".join(f"{ord(c):X}" for c in a) + "\t" + " ".join(f"{ord(c):X}" for c in b) + "\n" for a, b in rules.items()))
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(corpus(random.Random(5))), model_writer=model, vocab_size=300, hard_vocab_limit=False,
                                                 normalization_rule_tsv=str(tsv), minloglevel=2, character_coverage=1.0)
        proto = sentencepiece_model_pb2.ModelProto()
        proto.ParseFromString(model.getvalue())
    return proto.normalizer_spec.precompiled_charsmap


def unigram(byte_fallback):
    special = ["<pad>", "</s>", "<unk>"] + ([f"<0x{b:02X}>" for b in range(256)] if byte_fallback else [])
    t = Tokenizer(models.Unigram())
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    t.train_from_iterator(corpus(random.Random(5)), trainers.UnigramTrainer(vocab_size=300, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False))
    vocab = json.loads(t.to_str())["model"]["vocab"]
    if byte_fallback:
        vocab += [[f"<0x{b:02X}>", -20.0] for b in range(256)]
    steps = [normalizers.Precompiled(charsmap()), normalizers.Strip(left=False, right=True), normalizers.Replace(Regex(" {2,}"), "▁")]
    out = Tokenizer(models.Unigram([tuple(v) for v in vocab], unk_id=2, byte_fallback=byte_fallback))
    out.normalizer = normalizers.Sequence(steps[: 1 if byte_fallback else 3])
    split = pre_tokenizers.Metaspace(prepend_scheme="always" if byte_fallback else "first")
    out.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), split]) if byte_fallback else split
    out.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]) if byte_fallback else decoders.Metaspace()
    out.add_special_tokens([AddedToken(x, special=True, normalized=False) for x in special[:3]])
    out.post_processor = template(out, "$A </s>", ["</s>"])
    return out, ["</s>", "<unk>", "ａ①ﬁ", "e\u0301e\u0323\u0301", "\r\n", "A\u030a", "①\u0301", "aaaaaaaaaaaaaaaaaaaaaaaa", "-----------", "ßx"]


def clip():
    """As transformers sets up CLIP's tokenizer."""
    end = "<|endoftext|>"
    t = Tokenizer(models.BPE(continuing_subword_prefix="", end_of_word_suffix="</w>", unk_token=end))
    t.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), "removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.decoder = decoders.ByteLevel()
    # The trainer would make both symbols of each byte only where it saw them.
    alphabet = byte_alphabet()
    t.train_from_iterator(corpus(random.Random(5)), trainers.BpeTrainer(vocab_size=420, initial_alphabet=alphabet, end_of_word_suffix="</w>", show_progress=False))
    spec = json.loads(t.to_str())
    vocab = spec["model"]["vocab"]
    for c in alphabet:
        vocab.setdefault(c + "</w>", len(vocab))
    for name in ["<|startoftext|>", end]:
        vocab.setdefault(name, len(vocab))
    t = Tokenizer.from_str(json.dumps(spec))
    t.add_special_tokens([AddedToken("<|startoftext|>", normalized=True, special=True), AddedToken(end, normalized=False, special=True)])
    t.post_processor = processors.RobertaProcessing((end, t.token_to_id(end)), ("<|startoftext|>", t.token_to_id("<|startoftext|>")), trim_offsets=False, add_prefix_space=False)
    return t, [end, "<|startoftext|>", "ΣΑΣ İI", "QUICKLY", "x" * 70]


def words():
    """Whitespace, Punctuation and what is left of the normalizers."""
    t = train(models.BPE(unk_token="<unk>"), normalizers.Sequence([normalizers.Strip(), normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()]),
              pre_tokenizers.Sequence([pre_tokenizers.Punctuation("merged_with_previous"), pre_tokenizers.Whitespace()]), decoders.Fuse(), list("abcdefghijklmnopqrstuvwxyz"), 300, ["<unk>"])
    return t, ["<unk>", "a_b-c", "don't!!", "naïve élan", "İstanbul", "  padded  "]


def decoded(tokenizer, ids):
    def text(skip):
        out = tokenizer.decode(ids, skip_special_tokens=skip)
        suffix = getattr(tokenizer.model, "end_of_word_suffix", None)
        return out.replace(suffix, " ").strip() if suffix else out  # transformers' CLIPTokenizer

    return {"decoded": text(False), "skipped": text(True)}


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    made = {"gpt2": gpt2(), "llama3": llama3(), "llama2": llama2(), "crossing": crossing(), "metaspace_first": metaspace("first", True, True),
            "metaspace_always": metaspace("always", False, False), "metaspace_never": metaspace("never", True, False), "nfc": nfc(), "nfkc": nfkc(), "splits": splits(),
            "bert": word_piece(True), "bert_cased": word_piece(False), "unigram": unigram(False), "unigram_bytes": unigram(True), "clip": clip(), "words": words()}
    for name, (tokenizer, extra) in made.items():
        rng = random.Random(name)
        cases = []
        for text in texts(rng, extra):
            ids = tokenizer.encode(text).ids
            plain = tokenizer.encode(text, add_special_tokens=False).ids
            tokenizer.encode_special_tokens = True
            untrusted = tokenizer.encode(text, add_special_tokens=False).ids
            tokenizer.encode_special_tokens = False
            case = {"text": text, "ids": plain, **decoded(tokenizer, ids)}
            if ids != plain:
                case["with_special"] = ids
            if untrusted != plain:
                case["untrusted"] = untrusted
            cases.append(case)
        size = tokenizer.get_vocab_size()
        for _ in range(25):  # what a model may say
            ids = [rng.randrange(size) for _ in range(rng.randrange(1, 20))]
            cases.append({"ids_only": ids, **decoded(tokenizer, ids)})
        file = {"made_by": "tests/reference/tokenizer_fixtures.py", "tokenizer": json.loads(tokenizer.to_str()), "cases": cases}
        (folder / (name + ".json")).write_text(json.dumps(file, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


main()
