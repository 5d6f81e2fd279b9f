"""Perplexity of a golden model as transformers' logits give it, counted as llama.cpp's tool counts.

    python3 tests/reference/make_perplexity.py      writes tests/fixtures/perplexity.json

Windows of 32 tokens that do not overlap; in each the positions 16 to 30 foretell the tokens 17 to 31. Needs torch and
transformers.
"""

import json
import math
import pathlib

import torch
import transformers

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
CONTEXT = 32


def main():
    torch.set_num_threads(1)
    model = transformers.AutoModelForCausalLM.from_pretrained(FIXTURES / "models" / "llama32_tiny", dtype=torch.float32)
    tokens = [(i * i * 7 + i // 3) % 60 for i in range(230)]
    result = {}
    for bos in (None, 5):
        surprises = []
        for start in range(0, len(tokens) - CONTEXT + 1, CONTEXT):
            window = tokens[start : start + CONTEXT]
            read = ([bos] if bos is not None else window[:1]) + window[1:]
            with torch.no_grad():
                logits = model(torch.tensor([read])).logits[0].double()
            log = torch.log_softmax(logits, -1)
            surprises += [-log[i, window[i + 1]].item() for i in range(CONTEXT // 2, CONTEXT - 1)]
        mean = sum(surprises) / len(surprises)
        deviation = math.sqrt((sum(s * s for s in surprises) / len(surprises) - mean * mean) / (len(surprises) - 1))
        result["with_bos" if bos is not None else "plain"] = {
            "perplexity": math.exp(mean), "error": deviation * math.exp(mean), "tokens": len(surprises)}
    (FIXTURES / "perplexity.json").write_text(json.dumps(result, indent=1) + "\n")
    print(result)


if __name__ == "__main__":
    main()
