#!/usr/bin/env python3
"""How long a short prompt waits for its first token behind a long one that is being read.

    bench/first_token.py glassbox=http://127.0.0.1:8080/v1 other=http://127.0.0.1:8081/v1

Any servers that speak OpenAI's /v1/completions and stream, measured one after another in each round; Python 3 alone is
needed. Prompts are counted in the server's own tokens (usage), and begin differently every time, so that nobody answers
from memory. Prints for each server the medians of: the short prompt alone, the long one with the short one behind it,
and the short one sent `--after` seconds after the long one; then each server's last figure over the first server's.
"""
import argparse, http.client, json, statistics, threading, time, urllib.parse, uuid

WORDS = "river stone paper window garden silver morning bridge winter market island copper forest letter".split()


class Server:
    def __init__(self, name, url, model, key):
        self.name, self.key = name, key
        self.url = urllib.parse.urlsplit(url.rstrip("/"))
        self.model = model or self.request("GET", "/models")["data"][0]["id"]
        # Tokens a word takes, and those a prompt has beside its words.
        few, many = (self.count(words) for words in (20, 220))
        self.per_word = (many - few) / 200
        self.beside = few - 20 * self.per_word

    def connect(self):
        kind = http.client.HTTPSConnection if self.url.scheme == "https" else http.client.HTTPConnection
        return kind(self.url.netloc, timeout=3600)

    def send(self, method, path, body=None):
        connection = self.connect()
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = "Bearer " + self.key
        connection.request(method, self.url.path + path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise SystemExit(f"{self.name}: {method} {path}: {answer.status} {answer.read(500).decode(errors='replace')}")
        return answer

    def request(self, *what):
        return json.loads(self.send(*what).read())

    def body(self, words, **more):
        start = uuid.uuid4().hex[:6] if words > 12 else WORDS[uuid.uuid4().int % len(WORDS)]
        text = " ".join([start] + [WORDS[i * i % len(WORDS)] for i in range(words)])
        return {"model": self.model, "prompt": text, "temperature": 0, "max_tokens": 4, **more}

    def count(self, words):
        return self.request("POST", "/completions", self.body(words, max_tokens=1))["usage"]["prompt_tokens"]

    def words_for(self, tokens):
        return max(1, round((tokens - self.beside) / self.per_word))

    def first_token(self, words):
        """Seconds until the first piece of the answer, and until its end."""
        begin, first = time.monotonic(), None
        for line in self.send("POST", "/completions", self.body(words, stream=True)):
            if first is None and line.startswith(b"data: ") and json.loads(line[6:]).get("choices"):
                first = time.monotonic() - begin
                break
        return first

    def behind(self, long, short, after):
        """First tokens of a long prompt, and of a short one sent `after` seconds later."""
        found = {}
        thread = threading.Thread(target=lambda: found.update(long=self.first_token(long)))
        thread.start()
        time.sleep(after)
        found["short"] = self.first_token(short)
        found["behind"] = thread.is_alive()
        thread.join()
        return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", nargs="+", help="NAME=URL, the URL with its /v1")
    parser.add_argument("--model", help="as the servers call it (default: the first that each lists)")
    parser.add_argument("--key", help="an API key")
    parser.add_argument("--long", type=int, default=8000, help="tokens of the long prompt (default 8000)")
    parser.add_argument("--short", type=int, default=10, help="tokens of the short one (default 10)")
    parser.add_argument("--after", type=float, default=1, help="seconds between them (default 1)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    servers = [Server(*given.split("=", 1), options.model, options.key) for given in options.server]
    seen = {server.name: {"alone": [], "long": [], "short": []} for server in servers}
    for _ in range(options.rounds):
        for server in servers:
            short, long = server.words_for(options.short), server.words_for(options.long)
            seen[server.name]["alone"].append(server.first_token(short))
            found = server.behind(long, short, options.after)
            if not found["behind"]:
                print(f"# {server.name}: the long prompt was read before the short one had its token: "
                      "a longer one, or a smaller --after, would tell more")
            seen[server.name]["long"].append(found["long"])
            seen[server.name]["short"].append(found["short"])
    medians = {name: {what: statistics.median(times) for what, times in of.items()} for name, of in seen.items()}
    if options.json:
        print(json.dumps(medians))
        return
    print(f"first token, seconds, median of {options.rounds}: {options.short} tokens alone; {options.long} tokens; "
          f"{options.short} tokens sent {options.after:g} s behind those")
    least = medians[servers[0].name]["short"]
    for name, of in medians.items():
        print(f"{name:<16} {of['alone']:>9.3f} {of['long']:>9.3f} {of['short']:>9.3f}   {of['short'] / least:>6.2f} x")


main()
