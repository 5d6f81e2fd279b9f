"""What transformers answers as SmolLM2-135M-Instruct, greedily and in float32.

    python3 tests/reference/make_smollm2_goldens.py FOLDER [tests/fixtures/smollm2_greedy.json]

FOLDER: as convert_smollm2.py writes it, in f32. Made once and committed. For each of ten chats of one user message:

    prompt      the message
    rendered    the chat template's text, with the turn of the assistant opened
    prompt_ids  its token ids
    ids         the ids of the answer: 64, or fewer where <|im_end|> came first (it is then the last)
    gaps        for every id, how far its logit is above the second largest: where that is below 1e-3, a different
                order of sums may answer differently
"""

import json
import pathlib
import sys

import torch
import transformers
from transformers import AutoTokenizer, LlamaForCausalLM

TOKENS = 64
PROMPTS = [
    "What is the capital of France, and what is it known for?",
    "Explain why the sky is blue to a child.",
    "Write a short poem about the sea.",
    "List five fruits and the color of each.",
    "What is 17 + 25? Explain step by step.",
    "Tell me a story about a fox who could not sleep.",
    "How do I boil an egg?",
    "Write a Python function that reverses a string.",
    "Translate \"Good morning, my friend\" into Spanish and French.",
    "Why do leaves change color in autumn? \U0001F341",
]


def answer(model, prompt_ids, eos):
    ids, gaps, cache = [], [], None
    feed = torch.tensor([prompt_ids])
    while len(ids) < TOKENS and (not ids or ids[-1] != eos):
        with torch.no_grad():
            out = model(input_ids=feed, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        top = torch.topk(out.logits[0, -1], 2)
        ids.append(top.indices[0].item())
        gaps.append(float(f"{(top.values[0] - top.values[1]).item():.4g}"))
        feed = torch.tensor([[ids[-1]]])
    return ids, gaps


def main():
    folder = pathlib.Path(sys.argv[1])
    out = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "tests/fixtures/smollm2_greedy.json")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    cases = []
    for prompt in PROMPTS:
        messages = [{"role": "user", "content": prompt}]
        rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        prompt_ids = tokenizer.encode(rendered, add_special_tokens=False)
        ids, gaps = answer(model, prompt_ids, tokenizer.eos_token_id)
        cases.append({"prompt": prompt, "rendered": rendered, "prompt_ids": prompt_ids, "ids": ids, "gaps": gaps})
        print(f"{len(ids)} tokens, smallest gap {min(gaps)}: {tokenizer.decode(ids)!r}", flush=True)
    made_with = f"torch {torch.__version__}, transformers {transformers.__version__}"
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    out.write_text(f"{{\"made_with\": {json.dumps(made_with)}, \"cases\": [\n{lines}\n]}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
