#!/usr/bin/env python3
"""make_python_regex.py: writes tests/fixtures/python_regex.json, what Python's re (3.11 or later) makes of expressions
as adapters' patterns hold them, and of what could be meant otherwise elsewhere: [expression, {text: found}], or
[expression, null] where Python refuses it."""
import json
import re
import warnings

warnings.simplefilter("ignore")
TEXTS = ["", "q_proj", "model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.k_proj",
         "model.layers.11.mlp.gate_proj", "model.layers.12.mlp.experts.3.down_proj", "lm_head", "model.embed_tokens",
         "aa", "aab", "abab", "a-b]c", "a{2}", "a b", "line\n", "x\n\n", "A_1", "{,3}", "xyzxyz", "\x1c", "foo.bar"]
EXPRESSIONS = [
    r"q_proj", r".*\.q_proj", r".*(q|k)_proj", r"model\.layers\.\d+\.self_attn\.[qk]_proj", r".*\.layers\.1\d?\..*",
    r"^model\..*", r"^(?!.*gate).*proj$", r".*\.\w+_proj\Z", r"\w+", r"\W", r"\s", r"\S+", r"\D+", r"[\d.]+", r"[\w.]+\Z",
    r"[^\s]+\Z", r"[\S]+\Z", r"[\D]*\Z", r"[\W]*\Z", r"[^\W_]+", r"(?P<name>\w)\1", r"(?P<name>\w)(?P=name)b", r"(a)(?(1)a|b)",
    r"(?P<x>a)?(?(x)-|q)", r"(?:ab)+\Z", r"(?:ab){2}\Z", r"a{2}\Z", r"a{,2}\Z", r"a{2,}b", r"a{1,2}?b", r"a{}", r"a{x}",
    r"\{,3\}", r"{,3}x", r"{,3", r"a{2", r"a++b", r"a*+a", r"a?+a", r"(?>a*)b", r"(?>a*)a", r"a{1,2}+b", r"(?i)Q_PROJ",
    r"(?i:Q)_proj", r"(?i:Q)_PROJ", r"(?s).*\n", r"(?s:.)+\Z", r"(?m)^line$", r"(?m:line$)", r"line$", r"line\Z", r"x$",
    r"x\n$", r"(?x) q _ proj # a comment", r"(?x: a \ b)", r"a(?#comment)b", r"(?<=a)", r"(?=q)q", r"a(?<=a)b", r"(?<!q)_",
    r"q(?<!a)_", r"[]a-]+", r"[a\]-]+c", r"[a-\]]", r"[-a]+b", r"[a-c-]+", r"[[:alpha:]]+", r"[a&&b]+", r"[\b]", r"\bq",
    r"\Bq", r"\Aq", r"\x71", r"\u0071_", r"\U00000071", r"\161_", r"\0", r"[\0-\x1f]", r"\a", r"\.", r"\-", r"\/", r"\_",
    r"a|q", r"(|a)b", r"()", r"", r".", r"..", r"(.*\.)?(q_proj)$", r"(.*\.)?(^model.layers.0.self_attn.q_proj)$",
    r"(.*\.)?(down_proj|experts)$", r"(.*\.)?(layers\.(1|11)\.\w+\.\w+)$", r"(xyz)\1", r"(x)(y)(z)\1\2\3", r"(?:(a)|b)*\1",
    r"(a(?=a))+", r"[^]]+c", r"[\w-]+", r"\w\.\w", r"(?-i:q)", r"(?im-s:Q_)", r"a\
b", r"é?q", r"[é-ü]*q",
    # refused by Python
    r"(", r")", r"(?P<1>a)", r"(?P<a>a)(?P<a>b)", r"(?P=x)", r"\2", r"a**", r"a{2}{3}", r"*a", r"+", r"^*", r"\b+", r"a{3,2}",
    r"[", r"[a", r"[z-a]", r"[\d-a]", r"[a-\d]", r"\q", r"\y", r"[\q]", r"\x7", r"\u71", r"q(?i)", r"(?P>x)", r"(?<x>a)",
    r"(?|a|b)", r"\R", r"\h", r"\K", r"\G", r"\p{L}", r"\Qa\E", r"(?R)", r"(?1)", r"(*FAIL)", r"\9", r"\400", r"(?(2)a|b)",
]


def found(expression):
    try:
        compiled = re.compile(expression)
    except re.error:
        return None
    return {text: compiled.match(text) is not None for text in TEXTS}


with open("tests/fixtures/python_regex.json", "w", encoding="utf-8") as out:
    out.write("[\n" + ",\n".join(json.dumps([e, found(e)]) for e in EXPRESSIONS) + "\n]\n")
