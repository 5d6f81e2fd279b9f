"""Writes src/unicode/unicode_table.cc: the character classes tokenizers split by, as the reference sees them.

The classes are read out of the reference itself: Hugging Face's regular expressions are run over every character.
tokenizers 0.23.3 and tiktoken 0.14.0 (regex-syntax) agree on them: Unicode 16.  PCRE2 in Debian 12 knows Unicode 14, as
does Python 3.11, so what came after 14 is listed too, for patterns that go through PCRE2.

Normalization is another matter: tokenizers carries tables of Unicode 9, so what came later is left as it is there. These
characters are found by comparing with Python's tables.

    python tests/reference/unicode_table.py src/unicode/unicode_table.cc
"""
import sys
import unicodedata

from tokenizers import Regex, normalizers, pre_tokenizers

CLASSES = ["Other", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "N", "Space"]


def members(pattern, text):
    split = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    return {ord(piece) for piece, _ in split.pre_tokenize_str(text)}


def runs(values):
    out, last = [], None
    for code, value in enumerate(values):
        if value != last:
            out.append((code, value))
            last = value
    return out


def lines(items):
    text, row = "", "   "
    for item in items:
        if len(row) + len(item) + 2 > 120:
            text, row = text + row + "\n", "   "
        row += " " + item + ","
    return text + row + "\n"


def unnormalized(assigned):
    """1 for every character that the reference's normalization knows nothing of."""
    forms = [(name, getattr(normalizers, name)()) for name in ("NFC", "NFD", "NFKC", "NFKD")]
    out = [0] * 0x110000
    for code in range(0x110000):
        if 0xD800 <= code < 0xE000:
            continue
        if unicodedata.category(chr(code)) == "Cn":  # newer than Python's tables, so newer than Unicode 9
            out[code] = int(code in assigned)
            continue
        for probe in (chr(code), "a" + chr(code) + "\u0334\u0323"):
            if any(form.normalize_str(probe) != unicodedata.normalize(name, probe) for name, form in forms):
                out[code] = 1
    # What such a character is made of must not compose to it either.
    for code in [c for c in range(0x110000) if out[c]]:
        for part in unicodedata.decomposition(chr(code)).split():
            if "<" not in unicodedata.decomposition(chr(code)):
                out[int(part, 16)] = 1
    return out


def main():
    assert unicodedata.unidata_version == "14.0.0"
    text = "".join(chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000)
    table = [0] * 0x110000
    for number, name in enumerate(CLASSES[1:], 1):
        for code in members(r"\s" if name == "Space" else r"\p{%s}" % name, text):
            assert table[code] == 0
            table[code] = number
    newer = [table[c] if unicodedata.category(chr(c)) == "Cn" else 0 for c in range(0x110000)]
    assigned = members(r"\P{Cn}", text)
    with open(sys.argv[1], "w") as out:
        out.write("// Made by tests/reference/unicode_table.py; Unicode 16.0.\n")
        out.write('#include "unicode/classes.h"\n\nnamespace glassbox::unicode {\n\n')
        out.write("// First code point of a run << 4 | its class; a run ends where the next begins.\n// clang-format off\n")
        for name, values in (("kClassRuns", table), ("kNewerRuns", newer), ("kUnnormalizedRuns", unnormalized(assigned))):
            found = runs(values)
            out.write(f"const uint32_t {name}[] = {{\n")
            out.write(lines(hex(code << 4 | value) for code, value in found))
            out.write(f"}};\nconst size_t {name}Size = {len(found)};\n\n")
        out.write("// clang-format on\n}  // namespace glassbox::unicode\n")


main()
