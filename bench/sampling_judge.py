"""sampling_judge.py URL DATA [RAW]: which sampling suits a model whose publisher names none, by its answers to instructions.

URL is a running server's (http://127.0.0.1:8080), DATA the data folder. For each setting, 80 instructions are answered with
three seeds each and judged: how many of 100 answers end by themselves (within 200 tokens); means over answers of the part of
words that no book or encyclopedia of DATA has three times, of the part of 4-grams said before in it, and of how far its
words are those of the published answer (F1); the perplexity under the model itself; and the part of different words in all. RAW (any text): stories continued without a chat template instead, no published answer.
"""
import json, math, os, re, sys, urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

url, data = sys.argv[1:3]
raw = len(sys.argv) > 3
WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
PLAIN = {"temperature": 1, "top_k": 0, "top_p": 1, "min_p": 0, "repetition_penalty": 1}
SETTINGS = {
    "plain": {},
    "1, 40, 0.9, 0.05": {"top_k": 40, "top_p": 0.9, "min_p": 0.05},
    "0.7": {"temperature": 0.7},
    "0.7, 0, 0.9": {"temperature": 0.7, "top_p": 0.9},
    "0.7, 40, 0.9, 0.05": {"temperature": 0.7, "top_k": 40, "top_p": 0.9, "min_p": 0.05},
    "0.7, 40, 0.9, 0.05, 1.05": {"temperature": 0.7, "top_k": 40, "top_p": 0.9, "min_p": 0.05, "repetition_penalty": 1.05},
    "0.6, 40, 0.9, 0.05": {"temperature": 0.6, "top_k": 40, "top_p": 0.9, "min_p": 0.05},
    "0.5, 40, 0.9, 0.05": {"temperature": 0.5, "top_k": 40, "top_p": 0.9, "min_p": 0.05},
    "0.5": {"temperature": 0.5},
    "0.3, 40, 0.9, 0.05": {"temperature": 0.3, "top_k": 40, "top_p": 0.9, "min_p": 0.05},
    "0": {"temperature": 0},
}


def words(text):
    return [w.lower() for w in WORD.findall(text)]


def dictionary():
    count = Counter()
    for folder in ("enwiki_2015", "classic_books"):
        for at, _, files in os.walk(os.path.join(data, "text", folder)):
            for name in sorted(files):
                if name.endswith((".txt", ".md")) or "." not in name:
                    count.update(words(open(os.path.join(at, name), errors="replace").read()))
    assert len(count) > 20000, f"{data}/text: hardly any words"
    return {word for word, times in count.items() if times >= 3}


def ask(path, body):
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=3600) as answer:
        return json.load(answer)


def prompts():
    if raw:
        lines = open(os.path.join(data, "text/tinystories/tinystories_sample.txt"), errors="replace").read().splitlines()
        begins = [" ".join(line.split()[:12]) for line in lines if line.startswith("On") and len(line.split()) > 20]
        return [(begin, None) for begin in begins[:80]]
    rows = json.load(open(os.path.join(data, "instruct/rasbt/instruction-data.json")))
    step = len(rows) // 80
    return [(r["instruction"] + ("\n\n" + r["input"] if r["input"] else ""), r["output"]) for r in rows[::step]][:80]


def answer(model, setting, number, prompt):
    body = {"model": model, "seed": 1000 + number, "max_tokens": 200, **PLAIN, **setting}
    if raw:
        choice = ask("/v1/completions", {**body, "prompt": prompt, "logprobs": 0})["choices"][0]
        return choice["text"], choice["finish_reason"], choice["logprobs"]["token_logprobs"]
    choice = ask("/v1/chat/completions", {**body, "messages": [{"role": "user", "content": prompt}], "logprobs": True})["choices"][0]
    return choice["message"]["content"] or "", choice["finish_reason"], [t["logprob"] for t in choice["logprobs"]["content"]]


def f1(said, wanted):
    common = sum((Counter(said) & Counter(wanted)).values())
    return 2 * common / (len(said) + len(wanted)) if said or wanted else 1


known = dictionary()
model = json.load(urllib.request.urlopen(url + "/v1/models"))["data"][0]["id"]
asked = prompts()
print(f"{model}: {len(asked)} prompts, {len(known)} words known", flush=True)
print("| temperature, top-k, top-p, min-p, repetition | end % | no words % | said before % | F1 | perplexity | tokens | variety % |")
for name, setting in SETTINGS.items():
    with ThreadPoolExecutor(16) as pool:
        runs = [(seed, prompt) for seed in range(1 if setting.get("temperature") == 0 else 3) for prompt in enumerate(asked)]
        answers = list(pool.map(lambda run: answer(model, setting, 1000 * run[0] + run[1][0], run[1][1][0]), runs))
    broken, repeated, scores, logs, all_words = [], [], [], [], []
    for (text, _, logprobs), (_, (_, (prompt, wanted))) in zip(answers, runs):
        said = words(text)
        all_words += said
        allowed = set(words(prompt)) | set(words(wanted or ""))
        broken.append(sum(w not in known and w not in allowed for w in said) / max(1, len(said)))
        four = [tuple(said[i:i + 4]) for i in range(len(said) - 3)]
        repeated.append(1 - len(set(four)) / max(1, len(four)) if four else 0)
        if wanted is not None:
            scores.append(f1(said, words(wanted)))
        logs += logprobs
    mean = lambda values: sum(values) / max(1, len(values))
    ended = mean([reason == "stop" for _, reason, _ in answers])
    print(f"| {name} | {100 * ended:.0f} | {100 * mean(broken):.2f} | {100 * mean(repeated):.1f} | {mean(scores):.3f} | "
          f"{math.exp(-mean(logs)):.2f} | {len(logs)} | {100 * len(set(all_words)) / max(1, len(all_words)):.1f} |", flush=True)
