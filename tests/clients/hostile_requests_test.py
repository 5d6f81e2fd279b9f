#!/usr/bin/env python3
"""1,000 hostile request bodies, built from the fields of each endpoint: the server answers each below 500, in one line,
lives on, and /health answers at once throughout.

    hostile_requests_test.py GLASSBOX [COUNT [FIRST]]

Request N is made from the number N alone. Standard library only.
"""

import concurrent.futures
import json
import os
import random
import socket
import sys

import served

SAMPLING = ["temperature", "top_p", "min_p", "top_k", "repetition_penalty", "presence_penalty", "frequency_penalty", "seed",
            "logit_bias", "n", "stop", "stream", "stream_options", "max_tokens", "logprobs", "ignore_eos", "user", "model",
            "metadata", "store", "service_tier", "mirostat", "typical_p", "repeat_penalty", "grammar", "lora", "min_tokens",
            "stop_token_ids", "cache_prompt", "id_slot", "skip_special_tokens", "priority", "colour"]
ENDPOINTS = {
    "/v1/chat/completions": SAMPLING + ["messages", "tools", "tool_choice", "functions", "function_call", "top_logprobs",
                                        "max_completion_tokens", "response_format", "reasoning_effort", "think", "verbosity",
                                        "chat_template_kwargs", "parallel_tool_calls", "modalities", "prediction",
                                        "continue_final_message", "add_generation_prompt", "enable_thinking"],
    "/v1/completions": SAMPLING + ["prompt", "echo", "best_of", "suffix"],
    "/api/prompt": ["messages", "tools", "model", "chat_template_kwargs", "add_generation_prompt", "reasoning_effort"],
}
NUMBERS = [0, -0.0, 1, -1, 2, 0.5, 1e-45, 1e-38, 1.2e-38, 1e-308, 5e-324, 1e38, 3.5e38, 1e39, 1e308, -1e308, 2**31 - 1, 2**31,
           2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -2**63, -2**63 - 1, 10**30]
TEXTS = ["", " ", "\0", "a\0b", "\ufeff", "\u202e", "\ud800", "\udc00\ud800", "\U0010ffff", "<|end|>", "<|user|>", "<think>", "{{", "{% x",
         "e\u0301" * 500, "x" * 5000, " " * 20_000, "日本語" * 2000, "\r\n\r\n", "../../etc/passwd", "none", "auto", "required", "user", "1e999"]
CONSTANTS = [None, True, False, [], {}, [[]], [None], {"": None}, [{}], {"type": "json_schema"}, {"type": "text"}, [0.5], ["a", 1, None]]


def deep(depth):
    value = []
    for _ in range(depth):
        value = [value] if depth % 2 else {"a": value}
    return value


def strange(chance, depth=0):
    kind = chance.randrange(10 if depth < 3 else 6)
    if kind < 3:
        return chance.choice(NUMBERS)
    if kind < 5:
        return chance.choice(TEXTS)
    if kind < 6:
        return chance.choice(CONSTANTS)
    if kind < 7:
        return [strange(chance, depth + 1) for _ in range(chance.choice([1, 2, 5, 100]))]
    if kind < 8:
        return {chance.choice(TEXTS + list("abc")): strange(chance, depth + 1) for _ in range(chance.choice([1, 3, 30]))}
    if kind < 9:
        return deep(chance.choice([5, 40, 150]))
    return [chance.choice(NUMBERS)] * chance.choice([10, 5000])


def message(chance):
    one = {"role": chance.choice(["user", "assistant", "system", "developer", "tool", "function", "critic", "", None, 7]),
           "content": chance.choice(["Hi", chance.choice(TEXTS), strange(chance), [{"type": "text", "text": chance.choice(TEXTS)}],
                                     [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]])}
    if chance.random() < 0.4:
        one["tool_calls"] = chance.choice([strange(chance), [{"id": chance.choice(TEXTS), "type": "function", "function": {
            "name": chance.choice(TEXTS), "arguments": chance.choice(["{}", "{\"a\": 1e999}", "[" * 500, *TEXTS])}}]])
    for field in ("name", "tool_call_id", "reasoning", "reasoning_content", "refusal", "audio", "annotations", "colour"):
        if chance.random() < 0.1:
            one[field] = strange(chance)
    return one


def tool(chance):
    schema = chance.choice([{"type": "object", "properties": {"a": {"type": chance.choice(["integer", "string", "object", "x", 7])}}},
                            strange(chance), {"$ref": "#"}, {"anyOf": [{"$ref": "#/anyOf/0"}]}, deep(100)])
    return chance.choice([strange(chance), {"type": "function", "function": {
        "name": chance.choice(["add", *TEXTS]), "description": chance.choice(TEXTS), "parameters": schema}}])


def value_of(field, chance):
    if field == "messages":
        return [message(chance) for _ in range(chance.choice([0, 1, 2, 3, 50]))]
    if field in ("tools", "functions"):
        return [tool(chance) for _ in range(chance.choice([1, 2, 200]))]
    if field == "prompt" and chance.random() < 0.5:
        return chance.choice([[chance.choice(NUMBERS) for _ in range(5)], [[1, 2], [3]], [["a"]], [1, "a"], [5] * 20_000, ["a"] * 300,
                              chance.choice(TEXTS) * 50])
    if field == "logit_bias":
        return {str(chance.choice([*NUMBERS, "x", ""])): chance.choice(NUMBERS) for _ in range(chance.choice([1, 3, 500]))}
    if field == "stop":
        return [chance.choice(TEXTS) for _ in range(chance.choice([1, 4, 5, 1000]))]
    if field in ("temperature", "top_p", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty", "top_k", "seed", "n"):
        return chance.choice(NUMBERS) if chance.random() < 0.8 else strange(chance)
    return strange(chance)


def body_of(path, chance):
    body = {"model": served.MODEL, "max_tokens": 3}
    if path == "/v1/completions":
        body["prompt"] = "Once"
    else:
        body["messages"] = [{"role": "user", "content": "Hi"}]
    if path == "/api/prompt":
        del body["max_tokens"]
    for _ in range(chance.choice([1, 1, 1, 1, 2, 3, 8])):
        field = chance.choice(ENDPOINTS[path])
        body[field] = value_of(field, chance)
    text = json.dumps(body, ensure_ascii=chance.random() < 0.5)  # NaN and the like cannot come of it: see below
    data = text.encode("utf-8", "surrogatepass")
    kind = chance.randrange(20)
    if kind == 0:
        data = data[:chance.randrange(len(data))]
    elif kind == 1:
        data = bytearray(data)
        for _ in range(3):
            data[chance.randrange(len(data))] = chance.randrange(256)
        data = bytes(data)
    elif kind == 2:
        field = chance.choice(ENDPOINTS[path])
        word = chance.choice(["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400", "0" * 500, "9" * 400, "1." + "3" * 400, "0x10", "+1", "01"])
        data = data[:-1] + f', "{field}": {word}}}'.encode()
    elif kind == 3:
        field = chance.choice(ENDPOINTS[path])  # a name twice
        data = data[:-1] + f', "{field}": {json.dumps(strange(chance))}}}'.encode("utf-8", "surrogatepass")
    elif kind == 4:
        depth = chance.choice([100, 600, 5000, 100_000])
        data = chance.choice([b"[" * depth, b'{"a":' * depth, b"[" * depth + b"]" * depth,
                              data[:-1] + b', "metadata": ' + b"[" * depth + b"]" * depth + b"}"])
    elif kind == 5:
        data = chance.choice([b"", b" ", b"null", b"[]", b"0", b'"x"', b"\xef\xbb\xbf" + data, data.decode("utf-8", "replace").encode("utf-16") if chance.random() < 0.5
                              else b"\xff\xfe" + data, b"\0" + data, data + b"\0", data + data, b"--x\r\nContent-Disposition: form-data\r\n"])
    elif kind == 6:
        data = data.replace(b'"Hi"', b'"' + b"long " * chance.choice([1000, 100_000, 1_000_000]) + b'"')
    return data


class Run:
    def __init__(self, port):
        self.port = port
        self.paths = list(ENDPOINTS)
        if served.ask(port, "POST", "/api/prompt", b"{}")[0] == 404:  # not every build has it
            self.paths.remove("/api/prompt")
        self.here = [path for path in (os.getcwd(), os.path.expanduser("~")) if len(path) > 2]

    def wrong(self, number):
        """The status, and what is wrong with the answer, or nothing."""
        chance = random.Random(number)
        path = self.paths[number % len(self.paths)]
        body = body_of(path, chance)
        shown = f"request {number} {path} {body[:300]!r}"
        try:
            with served.connect(self.port, 20) as connection:
                connection.sendall(served.request("POST", path, body))
                answer = served.Answer(connection)
                text = b""
                for piece in answer.pieces():
                    text += piece
                    if len(text) > 200_000:
                        break  # a long answer that was asked for: this client has heard enough
        except socket.timeout:
            return "still answering", None  # of a thousand tokens: leaving is the client's right too
        except OSError as error:
            return None, f"{shown}: {error!r}"
        if answer.status >= 500:
            return answer.status, f"{shown}: {answer.status} {text[:500]!r}"
        if answer.status >= 400:
            what = json.loads(text)["error"]
            if not isinstance(what["message"], str) or "\n" in what["message"] or len(what["message"]) > 1500:
                return answer.status, f"{shown}: expected one line, got {text[:500]!r}"
            if any(here in what["message"] for here in self.here):
                return answer.status, f"{shown}: tells a path of the server: {what['message'][:500]}"
        elif b'data: {"error"' in text and b'"server_error"' in text:
            return answer.status, f"{shown}: {text[-500:]!r}"
        return answer.status, None


def main(binary, count="1000", first="0"):
    server = served.Server(binary)
    failures = []
    try:
        run = Run(server.port)
        watch = served.HealthWatch(server.port)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            results = list(pool.map(run.wrong, range(int(first), int(first) + int(count))))
        failures += [what for _, what in results if what][:20]
        statuses = {status: sum(s == status for s, _ in results) for status in sorted({s for s, _ in results}, key=str)}
        print(f"{len(results)} hostile requests, by status: {statuses}")
        if len(results) >= 1000 and (statuses.get(400, 0) < 300 or statuses.get(200, 0) < 50):
            failures.append("neither refused nor answered often enough to be a test")
        slow = watch.end()
        failures += [slow] if slow else []
        if served.ask(server.port, "POST", "/v1/completions",
                      json.dumps({"model": served.MODEL, "prompt": "Once", "max_tokens": 3}).encode())[0] != 200:
            failures.append("an ordinary request fails afterwards")
    except Exception as error:
        failures.append(repr(error))
    status, error = server.stop()
    if status != 0:
        failures.append(f"the server ended with status {status}: {error.strip()[-2000:]}")
    for failure in failures:
        print("FAILED:", failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
