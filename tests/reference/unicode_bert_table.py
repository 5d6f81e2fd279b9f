"""Writes src/unicode/unicode_bert_table.cc: what BERT's normalization and pre-tokenization, lower-casing and the removal of
accents do to each character, as the reference does it.

tokenizers 0.23.3 is asked about every character: its tables are of several versions of Unicode (8 for categories, 9 for
decomposition, 17 for lower case), so no other table would do.

    python tests/reference/unicode_bert_table.py src/unicode/unicode_bert_table.cc
"""
import sys
import unicodedata

from tokenizers import Regex, normalizers, pre_tokenizers

CODES = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def bert(**on):
    return normalizers.BertNormalizer(**{"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False, **on})


def lines(items):
    text, row = "", "   "
    for item in items:
        if len(row) + len(item) + 2 > 120:
            text, row = text + row + "\n", "   "
        row += " " + item + ","
    return text + row + "\n"


def main():
    clean, accents, strip, nfd, lower = bert(clean_text=True), bert(strip_accents=True), normalizers.StripAccents(), normalizers.NFD(), normalizers.Lowercase()
    pre = pre_tokenizers.BertPreTokenizer()
    flags = [0] * 0x110000
    for code in CODES:
        c = chr(code)
        probe = f"a{c}b"
        flags[code] |= clean.normalize_str(probe) == "ab"
        flags[code] |= 2 * (len(pre.pre_tokenize_str(probe)) == 3)
        flags[code] |= 4 * (nfd.normalize_str(c) == c and accents.normalize_str(probe) == "ab")
        flags[code] |= 8 * (strip.normalize_str(probe) == "ab")
    # What takes accents away is to decompose and drop, character by character.
    for code in CODES:
        made = "".join(x for x in nfd.normalize_str(chr(code)) if not flags[ord(x)] & 4)
        assert accents.normalize_str("a" + chr(code)) == "a" + made, hex(code)
    runs = [(code, value) for code, value in enumerate(flags) if code == 0 or value != flags[code - 1]]

    # Punctuation and symbols that came after Unicode 14, which is what PCRE2 10.42 and Python 3.11 know.
    text = "".join(map(chr, CODES))
    newer = [0] * 0x110000
    for number, name in enumerate("PS", 1):
        split = pre_tokenizers.Split(Regex(r"\p{%s}" % name), "removed", invert=True)
        for piece, _ in split.pre_tokenize_str(text):
            if unicodedata.category(piece) == "Cn":
                newer[ord(piece)] = number
    newer_runs = [(code, value) for code, value in enumerate(newer) if code == 0 or value != newer[code - 1]]

    # (first, last, step, difference) of characters that have a lower case of one character.
    cases = []
    for code in CODES:
        low = lower.normalize_str(chr(code))
        if low == chr(code):
            continue
        if len(low) > 1:
            assert code == 0x130 and low == "i\u0307"
            continue
        delta = ord(low) - code
        last = cases[-1] if cases else None
        if last and last[3] == delta and (code - last[1] == last[2] or (last[0] == last[1] and code - last[1] <= 2)):
            last[2] = code - last[1]
            last[1] = code
        else:
            cases.append([code, code, 1, delta])

    with open(sys.argv[1], "w") as out:
        out.write("// Made by tests/reference/unicode_bert_table.py.\n")
        out.write('#include "unicode/classes.h"\n\nnamespace glassbox::unicode {\n\n// clang-format off\n')
        out.write("// First code point of a run << 4 | Trait bits; a run ends where the next begins.\nconst uint32_t kTraitRuns[] = {\n")
        out.write(lines(hex(code << 4 | int(value)) for code, value in runs))
        out.write(f"}};\nconst size_t kTraitRunsSize = {len(runs)};\n\n")
        out.write("// First code point << 4 | 1 for punctuation, 2 for symbols.\nconst uint32_t kNewerSymbolRuns[] = {\n")
        out.write(lines(hex(code << 4 | value) for code, value in newer_runs))
        out.write(f"}};\nconst size_t kNewerSymbolRunsSize = {len(newer_runs)};\n\nconst LowerRun kLowerRuns[] = {{\n")
        out.write(lines(f"{{{a:#x}, {b:#x}, {step}, {delta}}}" for a, b, step, delta in cases))
        out.write(f"}};\nconst size_t kLowerRunsSize = {len(cases)};\n// clang-format on\n\n}}  // namespace glassbox::unicode\n")


main()
